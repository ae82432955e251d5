package org.pocketbert.core

import java.io.File
import org.junit.jupiter.api.Assumptions.assumeTrue

/** What scripts/test_android, or Gradle, hands to the tests. */
object Given {
    val bundle: Bundle by lazy { Bundle.open(folder("pocketbert.bundle")) }

    /** A file or folder by its system property; the test is not run where there is none. */
    fun folder(property: String): File {
        val path = System.getProperty(property)
        assumeTrue(path != null && File(path).exists(), "not run: $property is not given")
        return File(path!!)
    }

    /** A copy of the bundle without its models, for tests that spoil it. */
    fun copy(into: File): File {
        val models = bundle.artifacts.values.map { File(it.path) }
        bundle.folder.walkTopDown().filter { it.isFile && models.none(it::startsWith) }.forEach {
            it.copyTo(File(into, it.relativeTo(bundle.folder).path), overwrite = true)
        }
        return into
    }

    /** Logits handed in, not computed. */
    class FixedClassifier(private val logits: FloatArray) : Classifier {
        override val runtime = "fixed"
        var closed = false

        override fun logits(ids: IntArray) = logits

        override fun close() {
            closed = true
        }
    }

    /** Logits whose highest, of [height], is that of [label]. */
    fun logits(label: Int, height: Float) =
        FloatArray(bundle.labels.size) { if (it == label) height else 0f }
}
