/*
 * A double of com.google.ai.edge.litert:litert, for the computer: names and signatures that the
 * adapter uses are those of the library's own CompiledModel and TensorBuffer; behind them stands a
 * JNI shim of ours over the real LiteRT of the Python wheel.
 */
package com.google.ai.edge.litert

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException(code: Int, message: String) : Exception("$message (status $code)")

class TensorBuffer internal constructor(internal val handle: Long) : AutoCloseable {
    fun writeInt(data: IntArray) = writeInt(handle, data)

    fun readFloat(): FloatArray = readFloat(handle)

    override fun close() = destroy(handle)

    private companion object {
        init {
            System.loadLibrary("litert_double")
        }

        @JvmStatic
        external fun writeInt(handle: Long, data: IntArray)

        @JvmStatic
        external fun readFloat(handle: Long): FloatArray

        @JvmStatic
        external fun destroy(handle: Long)
    }
}

class Environment private constructor() : AutoCloseable {
    override fun close() {
        open--
    }

    companion object {
        /** Environments that are not closed: the host's tests look for what leaks. */
        @JvmStatic
        var open = 0
            private set

        @JvmStatic
        fun create(): Environment = Environment().also { open++ }
    }
}

class CompiledModel private constructor(private val handle: Long) : AutoCloseable {
    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    class Options(internal vararg val accelerators: Accelerator) {
        var cpuOptions: CpuOptions? = null
    }

    fun createInputBuffer(inputName: String, signature: String? = null): TensorBuffer =
        TensorBuffer(createBuffer(handle, requireNotNull(signature), inputName, true))

    fun createOutputBuffer(outputName: String, signature: String? = null): TensorBuffer =
        TensorBuffer(createBuffer(handle, requireNotNull(signature), outputName, false))

    fun run(
        inputs: Map<String, TensorBuffer>,
        outputs: Map<String, TensorBuffer>,
        signature: String? = null,
    ) = run(
        handle,
        requireNotNull(signature),
        inputs.keys.toTypedArray(),
        inputs.values.map { it.handle }.toLongArray(),
        outputs.values.single().handle,
    )

    override fun close() = destroy(handle)

    companion object {
        init {
            System.loadLibrary("litert_double")
        }

        @JvmStatic
        fun create(
            filePath: String,
            options: Options,
            optionalEnv: Environment? = null,
        ): CompiledModel {
            requireNotNull(optionalEnv) { "The shim makes its own; the adapter hands one in." }
            require(options.accelerators.single() == Accelerator.CPU)
            require(options.cpuOptions?.numThreads == 1)
            return CompiledModel(create(filePath))
        }

        @JvmStatic
        private external fun create(path: String): Long

        @JvmStatic
        private external fun createBuffer(
            handle: Long,
            signature: String,
            name: String,
            input: Boolean,
        ): Long

        @JvmStatic
        private external fun run(
            handle: Long,
            signature: String,
            names: Array<String>,
            inputs: LongArray,
            output: Long,
        )

        @JvmStatic
        private external fun destroy(handle: Long)
    }
}
