package org.pocketbert.litert

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import org.pocketbert.core.Artifact
import org.pocketbert.core.Classifier
import org.pocketbert.core.ClassifierFactory
import org.pocketbert.core.RuntimeFailure

/** A `.tflite` in LiteRT: of its signatures, the shortest that holds the text. */
public class LiteRtClassifier private constructor(
    private val artifact: Artifact,
    private val environment: Environment,
    private val model: CompiledModel,
) : Classifier {
    override val runtime: String = "LiteRT $VERSION"
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
        environment.close()
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

    public companion object : ClassifierFactory {
        /** Of the library in `libs.versions.toml`; never older than the one that converted. */
        public const val VERSION: String = "2.3.0"
        private const val OUTPUT = "logits"
        private const val PAD = 0
        private const val THREADS = 1 // fastest for so small a model

        override val version: String get() = VERSION

        override val dtype: String get() = "int32"

        override fun load(artifact: Artifact): Classifier {
            artifact.checkFile()
            return failing("refuses ${artifact.path}") {
                val environment = Environment.create()
                try {
                    LiteRtClassifier(artifact, environment, compile(artifact.path, environment))
                } catch (error: Throwable) { // the library would keep the environment for ever
                    environment.close()
                    throw error
                }
            }
        }

        private fun compile(path: String, environment: Environment): CompiledModel {
            val options = CompiledModel.Options(Accelerator.CPU).apply {
                cpuOptions = CompiledModel.CpuOptions(numThreads = THREADS)
            }
            return CompiledModel.create(path, options, environment)
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
