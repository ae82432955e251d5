package org.pocketbert.core

import com.google.gson.stream.MalformedJsonException
import java.io.EOFException
import java.io.File
import java.io.IOException
import java.nio.charset.CharacterCodingException
import java.security.PublicKey
import kotlin.math.abs

/**
 * An opened bundle; every digest in it has been checked.
 *
 * [signed] says whether its signature was checked, too.
 */
public class Bundle private constructor(
    public val folder: File,
    public val signed: Boolean,
    private val manifest: Manifest,
    public val artifacts: Map<String, Artifact>,
    public val replies: Map<String, List<String>>,
    public val tokenizer: WordPiece,
    private val goldenOf: Lazy<Golden>,
) {
    public val name: String get() = manifest.name
    public val labels: List<String> get() = manifest.labels
    public val outOfScopeLabel: String get() = manifest.outOfScopeLabel

    /** Texts with the ids and logits that every runtime must reproduce. */
    public val golden: List<GoldenCase> get() = goldenOf.value.cases

    /** The golden texts that people may have written; the others are there to break tokenizers. */
    public val realTexts: List<String> get() = goldenOf.value.realTexts

    /** The artefact [name] that this bundle, or part of one, carries. */
    public fun artifact(name: String): Artifact = artifacts[name] ?: throw BundleException(
        "The bundle carries no $name artefact, but ${artifacts.keys.joinToString()}.",
    )

    /**
     * Load the artefact [name] and have it reproduce the golden cases.
     *
     * @param verify false where this runtime has reproduced those of this very file before.
     * @throws BundleException other ids or logits than sealed.
     * @throws RuntimeFailure the runtime refuses the file, or is not for this device.
     */
    public fun load(
        name: String,
        factory: ClassifierFactory,
        verify: Boolean = true,
    ): Classifier {
        val artifact = artifact(name)
        artifact.checkRuntime(factory)
        val classifier = factory.load(artifact)
        try {
            if (verify) reproduce(artifact, classifier)
        } catch (error: Throwable) {
            classifier.close()
            throw error
        }
        return classifier
    }

    /** Have [classifier] reproduce the golden cases; throws as [load] does. */
    public fun reproduce(artifact: Artifact, classifier: Classifier): Unit =
        golden.forEachIndexed { row, case -> reproduce(row, case, artifact, classifier) }

    private fun reproduce(row: Int, case: GoldenCase, artifact: Artifact, classifier: Classifier) {
        val ids = tokenizer.encode(case.text)
        if (!ids.contentEquals(case.ids)) {
            throw BundleException(
                "Golden text $row is tokenised otherwise than sealed. Make the bundle again.",
            )
        }
        val sealed = case.logits.getValue(artifact.name)
        val logits = artifact.check(classifier.logits(ids), classifier.runtime)
        val worst = sealed.indices.maxOf { abs(logits[it] - sealed[it]) }
        if (!(worst <= artifact.tolerance)) { // NaN, too
            throw BundleException(
                "${artifact.name} gives golden text $row logits that differ by $worst, and " +
                    "${artifact.tolerance} is allowed. This runtime computes otherwise than the " +
                    "one that was verified; do not use it here.",
            )
        }
    }

    /** The same, once its folder was renamed to [to]. */
    internal fun moved(to: File) = Bundle(
        to,
        signed,
        manifest,
        artifacts.mapValues { it.value.copy(path = File(to, File(it.value.path).name).path) },
        replies,
        tokenizer,
        goldenOf,
    )

    public companion object {
        /**
         * Check every file of the bundle in [folder] against its manifest, and open it.
         *
         * With a [key], the manifest must be signed with it.
         *
         * @throws BundleException it is damaged, not signed as asked, or not of this format.
         */
        public fun open(folder: File, key: PublicKey? = null): Bundle =
            open(folder, key, trusted = false)

        /** As [open]; [trusted] where its files have been checked, and not been written since. */
        internal fun open(folder: File, key: PublicKey?, trusted: Boolean): Bundle =
            opening(folder) {
                // Read once: what is parsed is what was signed.
                if (!File(folder, MANIFEST).exists()) {
                    throw BundleException("$folder holds no $MANIFEST. Install a bundle.")
                }
                val content = readPlain(File(folder, MANIFEST), MANIFEST_BYTES)
                if (key != null && !trusted) checkSignature(folder, content, key)
                val manifest = parseManifest(folder, content)
                // Before the digests: what is written meanwhile is looked at again when loaded.
                val artifacts = manifest.artifacts
                    .mapValues { it.value.copy(seen = stamp(File(it.value.path))) }
                    .filterValues { File(it.path).exists() }
                if (!trusted) {
                    val roots = manifest.artifacts.values.map { File(it.path).name }
                    checkFiles(folder, manifest.files, roots.toSet())
                }
                read(folder, key != null, manifest, artifacts, trusted)
            }

        private fun read(
            folder: File,
            signed: Boolean,
            manifest: Manifest,
            artifacts: Map<String, Artifact>,
            trusted: Boolean,
        ) = Bundle(
            folder,
            signed,
            manifest,
            artifacts,
            readReplies(folder, manifest),
            WordPiece(readVocabulary(folder, manifest), readCharacters(folder), manifest.maxLength),
            lazy { opening(folder) { readGolden(folder, manifest) } }
                .also { if (!trusted) it.value },
        )

        private fun <T> opening(folder: File, read: () -> T): T = try {
            read()
        } catch (error: MalformedJsonException) {
            throw malformed(folder, error)
        } catch (error: EOFException) {
            throw malformed(folder, error)
        } catch (error: CharacterCodingException) {
            throw malformed(folder, error)
        } catch (error: IOException) {
            throw BundleException("$folder cannot be read: ${error.message}. Install it.", error)
        } catch (error: RuntimeException) { // a value that is missing or of another type
            throw malformed(folder, error)
        } catch (error: OutOfMemoryError) {
            throw malformed(folder, error)
        }

        private fun malformed(folder: File, error: Throwable) = BundleException(
            "$folder: ${error.message}; not a bundle that pocketbert wrote. Make it again.",
            error,
        )
    }
}
