package org.pocketbert.executorch

import java.nio.LongBuffer
import org.pocketbert.core.Artifact
import org.pocketbert.core.Classifier
import org.pocketbert.core.ClassifierFactory
import org.pocketbert.core.RuntimeFailure
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** A `.pte` in ExecuTorch. Any length that the artefact takes, so nothing is padded. */
class ExecuTorchClassifier private constructor(
    private val artifact: Artifact,
    private val module: Module,
) : Classifier {
    override val runtime = "ExecuTorch $VERSION"
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

    override fun close() = module.destroy()

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

    companion object : ClassifierFactory {
        /** Of the library in `libs.versions.toml`; never older than the one that exported. */
        const val VERSION = "1.5.1"
        private const val PAD = 0
        private const val THREADS = 1 // fastest for so small a model

        override fun load(artifact: Artifact): Classifier {
            artifact.checkFile()
            return failing("refuses ${artifact.path}") {
                val module = Module.load(artifact.path, Module.LOAD_MODE_MMAP, THREADS)
                ExecuTorchClassifier(artifact, module)
            }
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
