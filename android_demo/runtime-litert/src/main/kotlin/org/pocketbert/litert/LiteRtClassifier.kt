package org.pocketbert.litert

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import org.pocketbert.core.Artifact
import org.pocketbert.core.Classifier
import org.pocketbert.core.ClassifierFactory
import org.pocketbert.core.RuntimeFailure

/** A `.tflite` in LiteRT: of its signatures, the shortest that holds the text. */
class LiteRtClassifier private constructor(
    private val artifact: Artifact,
    private val model: CompiledModel,
) : Classifier {
    override val runtime = "LiteRT $VERSION"
    private val signatures = HashMap<Int, Signature>()

    override fun logits(ids: IntArray): FloatArray {
        artifact.check(ids)
        val length = artifact.lengthFor(ids.size)
        val logits = failing("could not answer") {
            signatures.getOrPut(length) { Signature(length) }.run(ids)
        }
        return artifact.check(logits, runtime)
    }

    override fun close() {
        signatures.values.forEach { it.close() }
        model.close()
    }

    /** Buffers of one signature, written anew for every text. */
    private inner class Signature(length: Int) {
        private val name = "length_$length"
        private val inputs = artifact.inputs.associateWith { model.createInputBuffer(it, name) }
        private val outputs = mapOf(OUTPUT to model.createOutputBuffer(OUTPUT, name))
        private val row = IntArray(length)

        fun run(ids: IntArray): FloatArray {
            inputs.forEach { (input, buffer) -> write(buffer, ids, input == "attention_mask") }
            model.run(inputs, outputs, name)
            return outputs.getValue(OUTPUT).readFloat()
        }

        private fun write(buffer: TensorBuffer, ids: IntArray, mask: Boolean) {
            row.fill(PAD)
            for (place in ids.indices) row[place] = if (mask) 1 else ids[place]
            buffer.writeInt(row)
        }

        fun close() = (inputs.values + outputs.values).forEach { it.close() }
    }

    companion object : ClassifierFactory {
        /** Of the library in `libs.versions.toml`; never older than the one that converted. */
        const val VERSION = "2.3.0"
        private const val OUTPUT = "logits"
        private const val PAD = 0
        private const val THREADS = 1 // fastest for so small a model

        override fun load(artifact: Artifact): Classifier {
            artifact.checkFile()
            val options = CompiledModel.Options(Accelerator.CPU).apply {
                cpuOptions = CompiledModel.CpuOptions(numThreads = THREADS)
            }
            return failing("refuses ${artifact.path}") {
                LiteRtClassifier(artifact, CompiledModel.create(artifact.path, options))
            }
        }

        private fun <T> failing(what: String, call: () -> T): T = try {
            call()
        } catch (error: LiteRtException) {
            throw RuntimeFailure("LiteRT $VERSION $what: ${error.message}.", error)
        } catch (error: RuntimeException) {
            throw RuntimeFailure("LiteRT $VERSION $what: ${error.message}.", error)
        } catch (error: LinkageError) { // its library is not for this phone
            throw RuntimeFailure("LiteRT $VERSION $what: ${error.message}.", error)
        }
    }
}
