package org.pocketbert.core

import java.io.File

/** What a file must be. */
internal class Seal(val sha256: String, val bytes: Long)

/** `manifest.json`, read without trust: every value has a type and a limit, as in Python. */
internal class Manifest(
    val name: String,
    val labels: List<String>,
    val outOfScopeLabel: String,
    val maxLength: Int,
    val pieces: Int,
    val artifacts: Map<String, Artifact>,
    val files: Map<String, Seal>,
)

internal const val MANIFEST = "manifest.json"
internal const val GOLDEN = "golden.json"
internal const val REPLIES = "replies.json"
internal const val CHARACTERS = "characters.json"
internal const val VOCABULARY = "vocab.txt"
internal const val MANIFEST_BYTES = 16L shl 20
internal const val LARGEST = 1e6 // of every number that is no count
private val READ = listOf(CHARACTERS, GOLDEN, REPLIES, VOCABULARY) // besides artefacts
private const val READ_BYTES = 256L shl 20 // of each of them: they are read into memory
private const val FILE_BYTES = 4L shl 30
internal const val FILES = 10_000
private const val LABELS = 100_000
private const val ARTIFACTS = 100
private const val TOKENS = 1L shl 16
private const val MOST_PIECES = 1L shl 24
private const val SCHEMA = 1 // before the dot; others are refused
private const val OLDEST = 1 // after the dot; characters.json came with it

private val NAME = Regex("[^\\x00-\\x1f\\x7f]{1,500}")
private val PART = "[^/\\\\:\\x00-\\x1f\\x7f]{1,200}" // nor what separates paths on any system
private val FILE_NAME = Regex(PART)
private val FILE_PATH = Regex("$PART(/$PART){0,20}")
private val DIGEST = Regex("[0-9a-f]{64}")
private val VERSION = Regex("\\d{1,9}\\.\\d{1,9}")
private val INPUTS = setOf("input_ids", "attention_mask", "ids", "mask", "segment_ids")
private val DTYPES = setOf("int32", "int64")

/** The manifest in [content], of the bundle in [folder]. */
internal fun parseManifest(folder: File, content: ByteArray): Manifest {
    val all = parseFields(content.inputStream())
    checkSchema(all["schema"].text(VERSION, "a number, a dot, a number"))
    val tokenizer = all["tokenizer"]
    tokenizer["type"].text(Regex("wordpiece"), "wordpiece")
    tokenizer["lowercase"].flag() // characters.json has what it says
    val labels = all["labels"].list(1..LABELS).map { it.name() }
    val files = all["files"].entries(0..FILES).entries
        .associate { (path, seal) -> seal.inside(path) to seal.seal() }
    all["provenance"].entries()
    return Manifest(
        name = all["name"].name(),
        labels = labels,
        outOfScopeLabel = all["out_of_scope_label"].name(),
        maxLength = tokenizer["max_length"].integer(1..TOKENS).toInt(),
        pieces = tokenizer["pieces"].integer(1..MOST_PIECES).toInt(),
        artifacts = all["artifacts"].entries(1..ARTIFACTS)
            .mapValues { (name, entry) -> entry.artifact(name, folder, labels.size, files) },
        files = files,
    ).also(::checkWhole)
}

private fun checkSchema(schema: String) {
    val (major, minor) = schema.split(".").map { it.toInt() }
    if (major != SCHEMA) {
        throw BundleException(
            "The bundle has schema $schema, and this app reads $SCHEMA.x. Update the app.",
        )
    }
    if (minor < OLDEST) {
        throw BundleException(
            "The bundle has schema $schema, and this app needs $SCHEMA.$OLDEST. " +
                "Make the bundle again.",
        )
    }
}

private fun Field.name() = text(NAME, "1 to 500 characters on one line")

/** Whether [path] names a file below a bundle's folder, in its shortest form, on any system. */
internal fun isInside(path: String): Boolean =
    FILE_PATH.matches(path) && path.split("/").none { it == "." || it == ".." }

private fun Field.inside(path: String): String {
    if (isInside(path) && path != MANIFEST && path != SIGNATURE) return path
    throw Malformed("${this.path}: leaves the bundle, or is not in its shortest form")
}

private fun Field.seal() =
    Seal(get("sha256").text(DIGEST, "a sha256"), get("bytes").integer(0..FILE_BYTES))

private fun Field.artifact(
    name: String,
    folder: File,
    labels: Int,
    files: Map<String, Seal>,
): Artifact {
    val path = get("path").text(FILE_NAME, "the name of a file")
    get("path").inside(path)
    if (name.isEmpty() || get("target").name() != name) throw get("target").wrong(name)
    for (word in listOf("quantization", "reason", "verified_by")) get(word).text()
    for (inner in listOf("recipe", "metrics")) get(inner).entries()
    return Artifact(
        name = name,
        path = File(folder, path).path,
        sha256 = files[path]?.sha256.orEmpty(), // a folder has no digest of its own
        inputs = get("inputs").list(2..3).map { it.oneOf(INPUTS) },
        dtype = get("dtype").oneOf(DTYPES),
        lengths = get("lengths").list(1..100).map { it.integer(1..TOKENS).toInt() },
        dynamic = get("dynamic").flag(),
        vocabulary = get("vocabulary").integer(1..MOST_PIECES).toInt(),
        labels = labels,
        minRuntime = get("min_runtime").text(),
        temperature = get("temperature").decimal(Double.MIN_VALUE..LARGEST).toFloat(),
        threshold = get("threshold").decimal(-LARGEST..LARGEST).toFloat(),
        tolerance = get("tolerance").decimal(0.0..LARGEST).toFloat(),
    ).also { checkCall(it, path) }
}

private fun Field.oneOf(options: Set<String>) =
    text().also { if (it !in options) throw wrong("one of ${options.joinToString()}") }

private fun Field.checkCall(artifact: Artifact, file: String) = with(artifact) {
    when {
        lengths != lengths.toSortedSet().toList() -> throw Malformed("$path: lengths do not rise")
        dynamic && lengths.size != 2 -> throw Malformed("$path: a range has two lengths")
        inputs.toSet().size != inputs.size -> throw Malformed("$path: inputs share a name")
        file in READ -> throw Malformed("$path: is a file of another kind")
        temperature == 0f -> throw Malformed("$path: temperature is 0")
    }
}

/** What no single value tells: names that are shared, files and artefacts of each other. */
private fun checkWhole(manifest: Manifest) = with(manifest) {
    if ((labels + outOfScopeLabel).toSet().size != labels.size + 1) {
        throw Malformed("labels share a name, or one is that of out-of-scope texts")
    }
    READ.firstOrNull { (files[it]?.bytes ?: Long.MAX_VALUE) > READ_BYTES }?.let {
        throw Malformed("files: lack $it, or it is larger than $READ_BYTES bytes")
    }
    val paths = artifacts.values.map { File(it.path).name }
    val roots = files.keys.map { it.substringBefore('/') }.toSet()
    if (paths.toSet().size != paths.size || roots != (paths + READ).toSet()) {
        throw Malformed("files and artefacts are not those of each other")
    }
    for (artifact in artifacts.values) {
        if (artifact.vocabulary != pieces || artifact.lengths.last() < maxLength) {
            throw Malformed("artifacts.${artifact.name}: is for another tokenizer")
        }
    }
}
