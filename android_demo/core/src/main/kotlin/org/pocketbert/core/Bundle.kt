package org.pocketbert.core

import com.google.gson.JsonArray
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParseException
import com.google.gson.JsonParser
import java.io.File
import java.io.IOException
import java.security.PublicKey
import kotlin.math.abs

/** A text with the ids and the logits per artefact that every reader must reproduce. */
class GoldenCase(val text: String, val ids: IntArray, val logits: Map<String, FloatArray>)

/** An opened bundle; every digest in it has been checked. */
class Bundle private constructor(
    val folder: File,
    val name: String,
    val labels: List<String>,
    val outOfScopeLabel: String,
    val replies: Map<String, List<String>>,
    val artifacts: Map<String, Artifact>,
    val tokenizer: WordPiece,
    val golden: List<GoldenCase>,
    val realTexts: List<String>,
) {
    /** The artefact [name] that this bundle, or part of one, carries. */
    fun artifact(name: String): Artifact = artifacts[name] ?: throw BundleException(
        "The bundle carries no $name artefact, but ${artifacts.keys.joinToString()}.",
    )

    /**
     * Load the artefact [name] and have it reproduce the golden cases.
     *
     * @throws BundleException other ids or logits than sealed.
     * @throws RuntimeFailure the runtime refuses the file.
     */
    fun load(name: String, factory: ClassifierFactory): Classifier {
        val artifact = artifact(name)
        val classifier = factory.load(artifact)
        try {
            golden.forEachIndexed { row, case -> reproduce(row, case, artifact, classifier) }
        } catch (error: PocketbertException) {
            classifier.close()
            throw error
        }
        return classifier
    }

    private fun reproduce(row: Int, case: GoldenCase, artifact: Artifact, classifier: Classifier) {
        val ids = tokenizer.encode(case.text)
        if (!ids.contentEquals(case.ids)) {
            throw BundleException(
                "Golden text $row is tokenised otherwise than sealed. Make the bundle again.",
            )
        }
        val sealed = case.logits.getValue(artifact.name)
        val logits = classifier.logits(ids)
        val worst = sealed.indices.maxOf { abs(logits[it] - sealed[it]) }
        if (logits.size != sealed.size || !(worst <= artifact.tolerance)) {
            throw BundleException(
                "${artifact.name} gives golden text $row logits that differ by $worst, and " +
                    "${artifact.tolerance} is allowed. This runtime computes otherwise than the " +
                    "one that was verified; do not use it here.",
            )
        }
    }

    companion object {
        private const val SCHEMA = "1" // before the dot; others are refused
        private const val OLDEST = 1 // after the dot; characters.json came with it

        /**
         * Check every file of the bundle in [folder] against its manifest, and open it.
         *
         * With a [key], the manifest must be signed with it.
         */
        fun open(folder: File, key: PublicKey? = null): Bundle = try {
            if (!File(folder, MANIFEST).isFile) {
                throw BundleException("$folder holds no $MANIFEST. Install a bundle.")
            }
            key?.let { checkSignature(folder, it) }
            val manifest = parse(File(folder, MANIFEST)).asJsonObject
            checkSchema(manifest.text("schema"))
            val roots = manifest.entries("artifacts").map { it.value.asJsonObject.text("path") }
            val seals = manifest.entries("files").associate { (name, seal) ->
                name to seal.asJsonObject.run { Seal(text("sha256"), get("bytes").asLong) }
            }
            checkFiles(folder, seals, roots.toSet())
            read(folder, manifest, seals)
        } catch (error: IOException) {
            throw BundleException("$folder cannot be read: ${error.message}. Install it.", error)
        } catch (error: JsonParseException) {
            throw malformed(folder, error)
        } catch (error: RuntimeException) { // a field that is missing or of another type
            throw malformed(folder, error)
        }

        private fun malformed(folder: File, error: Exception) = BundleException(
            "$folder: ${error.message}; not a bundle that pocketbert wrote. Make it again.",
            error,
        )

        private fun checkSchema(schema: String) {
            val (major, minor) = schema.split(".")
            if (major != SCHEMA) {
                throw BundleException(
                    "The bundle has schema $schema, and this app reads $SCHEMA.x. Update the app.",
                )
            }
            if (minor.toInt() < OLDEST) {
                throw BundleException(
                    "The bundle has schema $schema, and this app needs $SCHEMA.$OLDEST. " +
                        "Make the bundle again.",
                )
            }
        }

        private fun read(folder: File, manifest: JsonObject, seals: Map<String, Seal>): Bundle {
            val labels = manifest.getAsJsonArray("labels").strings()
            val golden = parse(File(folder, "golden.json")).asJsonObject
            val cases = golden.getAsJsonArray("cases").map { it.asJsonObject.goldenCase() }
            return Bundle(
                folder = folder,
                name = manifest.text("name"),
                labels = labels,
                outOfScopeLabel = manifest.text("out_of_scope_label"),
                replies = parse(File(folder, "replies.json")).asJsonObject.entrySet()
                    .associate { (intent, replies) -> intent to replies.asJsonArray.strings() },
                artifacts = manifest.entries("artifacts")
                    .associate { (name, entry) ->
                        name to entry.asJsonObject.artifact(name, folder, labels.size, seals)
                    }.filterValues { File(it.path).exists() },
                tokenizer = WordPiece(
                    File(folder, "vocab.txt").readText().removeSuffix("\n").split("\n"),
                    parse(File(folder, "characters.json")).asJsonObject.characterTable(),
                    manifest.getAsJsonObject("tokenizer").get("max_length").asInt,
                ),
                golden = cases,
                realTexts = cases.drop(golden.get("torture").asInt).map { it.text },
            )
        }

        private fun parse(file: File): JsonElement = file.reader().use(JsonParser::parseReader)
    }
}

private fun JsonObject.text(name: String): String = get(name).asString

private fun JsonObject.entries(name: String) = getAsJsonObject(name).entrySet()

private fun JsonArray.strings() = map { it.asString }

private fun JsonElement.ints() = asJsonArray.map { it.asInt }.toIntArray()

private fun JsonElement.floats() = asJsonArray.map { it.asFloat }.toFloatArray()

private fun JsonObject.goldenCase() = GoldenCase(
    text("text"),
    get("input_ids").ints(),
    entries("logits").associate { (name, logits) -> name to logits.floats() },
)

private fun JsonObject.artifact(
    name: String,
    folder: File,
    labels: Int,
    seals: Map<String, Seal>,
) = Artifact(
    name = name,
    path = File(folder, text("path")).path,
    sha256 = seals[text("path")]?.sha256.orEmpty(), // a folder has no digest of its own
    inputs = getAsJsonArray("inputs").strings(),
    lengths = get("lengths").ints().toList(),
    dynamic = get("dynamic").asBoolean,
    vocabulary = get("vocabulary").asInt,
    labels = labels,
    minRuntime = text("min_runtime"),
    temperature = get("temperature").asFloat,
    threshold = get("threshold").asFloat,
    tolerance = get("tolerance").asFloat,
)

private fun JsonObject.characterTable() = CharacterTable(
    drop = get("drop").ranges(),
    space = get("space").ranges(),
    alone = get("alone").ranges(),
    replace = getAsJsonArray("replace").map { it.ints() }
        .associate { it.first() to it.copyOfRange(1, it.size) },
    hangul = get("hangul").asBoolean,
)

private fun JsonElement.ranges(): CharacterTable.Ranges {
    val pairs = asJsonArray.map { it.ints() }
    return CharacterTable.Ranges(
        IntArray(pairs.size) { pairs[it][0] },
        IntArray(pairs.size) { pairs[it][1] },
    )
}
