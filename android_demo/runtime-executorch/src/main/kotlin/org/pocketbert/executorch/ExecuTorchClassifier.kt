package org.pocketbert.executorch

import java.nio.LongBuffer
import org.pocketbert.core.Artifact
import org.pocketbert.core.Classifier
import org.pocketbert.core.ClassifierFactory
import org.pocketbert.core.RuntimeFailure
import org.pocketbert.core.missingFeatures
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** A `.pte` in ExecuTorch. Any length that the artefact takes, so nothing is padded. */
public class ExecuTorchClassifier private constructor(
    private val artifact: Artifact,
    private val module: Module,
) : Classifier {
    override val runtime: String = "ExecuTorch $VERSION"
    private val inputs = HashMap<Int, Input>()

    override fun logits(ids: IntArray): FloatArray {
        artifact.check(ids)
        val length = artifact.lengthFor(ids.size)
        val input = inputs.getOrPut(length) { Input(length) }
        input.write(ids)
        val logits = failing("could not answer") {
            module.forward(*input.values).single().toTensor().dataAsFloatArray
        }
        return artifact.check(logits, runtime)
    }

    override fun close(): Unit = module.destroy()

    /** Buffers of one length, written anew for every text. */
    private inner class Input(length: Int) {
        private val ids: LongBuffer = Tensor.allocateLongBuffer(length)
        private val mask: LongBuffer = Tensor.allocateLongBuffer(length)
        val values: Array<EValue> = artifact.inputs.map {
            val buffer = if (it == "attention_mask") mask else ids
            EValue.from(Tensor.fromBlob(buffer, longArrayOf(1, length.toLong())))
        }.toTypedArray()

        fun write(from: IntArray) {
            for (place in 0 until ids.capacity()) {
                ids.put(place, from.getOrElse(place) { PAD }.toLong())
                mask.put(place, if (place < from.size) 1 else 0)
            }
        }
    }

    public companion object : ClassifierFactory {
        /** Of the library in `libs.versions.toml`; never older than the one that exported. */
        public const val VERSION: String = "1.5.1"

        /**
         * Threads of ExecuTorch's one pool, for the whole process.
         *
         * Loading sets the pool anew where its size differs, and that ends the models of others in
         * this app which hold the old one: give all of them the same number.
         */
        @Volatile
        public var threads: Int = 1 // fastest for so small a model
        private const val PAD = 0

        // Its Android library is compiled for ARMv8.2 with dot product, all of it, since it links
        // the kernels of language models (extension/llm/custom_ops/CMakeLists.txt, PUBLIC flags).
        private val NEEDED = setOf("atomics", "asimddp")

        override val version: String get() = VERSION

        override val dtype: String get() = "int64"

        override fun load(artifact: Artifact): Classifier {
            checkProcessor(missingFeatures(NEEDED))
            artifact.checkFile()
            return failing("refuses ${artifact.path}") {
                val module = Module.load(artifact.path, Module.LOAD_MODE_MMAP, threads)
                ExecuTorchClassifier(artifact, module)
            }
        }

        /** Refuse a processor on which the library would end the process with SIGILL. */
        internal fun checkProcessor(missing: Set<String>) {
            if (missing.isEmpty()) return
            throw RuntimeFailure(
                "ExecuTorch $VERSION needs an ARMv8.2 processor, and this phone's lacks " +
                    "${missing.joinToString()}. Use LiteRT.",
            )
        }

        /** ExecuTorch's exceptions are RuntimeExceptions of several classes. */
        private fun <T> failing(what: String, call: () -> T): T = try {
            call()
        } catch (error: RuntimeException) {
            throw RuntimeFailure("ExecuTorch $VERSION $what: ${error.message}.", error)
        } catch (error: LinkageError) { // its library is not for this phone
            throw RuntimeFailure("ExecuTorch $VERSION $what: ${error.message}.", error)
        }
    }
}
