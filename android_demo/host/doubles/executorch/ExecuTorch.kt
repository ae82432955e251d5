/*
 * A double of org.pytorch:executorch-android, for the computer: names and signatures that the
 * adapter uses are those of the library's own Module, Tensor and EValue; behind them stands a JNI
 * shim of ours over the real ExecuTorch of the Python wheel.
 */
package org.pytorch.executorch

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.LongBuffer

open class Module private constructor(private var handle: Long) {
    open fun forward(vararg inputs: EValue): Array<EValue> {
        check(handle != 0L) { "Module has been destroyed" }
        val tensors = inputs.map { it.toTensor() as LongTensor }
        val length = tensors.first().shape()[1].toInt()
        val logits = forward(handle, tensors.map { it.data }.toTypedArray(), length)
        return arrayOf(EValue.from(FloatTensor(logits)))
    }

    open fun destroy() {
        if (handle != 0L) destroy(handle)
        handle = 0
    }

    companion object {
        const val LOAD_MODE_FILE = 0
        const val LOAD_MODE_MMAP = 1

        init {
            System.loadLibrary("executorch_double")
        }

        @JvmStatic
        @JvmOverloads
        fun load(modelPath: String?, loadMode: Int = LOAD_MODE_FILE, numThreads: Int = 0): Module {
            require(loadMode in LOAD_MODE_FILE..LOAD_MODE_MMAP)
            return Module(load(requireNotNull(modelPath), numThreads))
        }

        @JvmStatic
        private external fun load(path: String, threads: Int): Long

        @JvmStatic
        private external fun forward(
            handle: Long,
            inputs: Array<LongBuffer>,
            length: Int,
        ): FloatArray

        @JvmStatic
        private external fun destroy(handle: Long)
    }
}

abstract class Tensor internal constructor(private val shape: LongArray) {
    fun shape(): LongArray = shape.copyOf()

    open val dataAsFloatArray: FloatArray
        get() = throw IllegalStateException("Tensor cannot return data as float array.")

    companion object {
        @JvmStatic
        fun allocateLongBuffer(numElements: Int): LongBuffer =
            ByteBuffer.allocateDirect(numElements * Long.SIZE_BYTES)
                .order(ByteOrder.nativeOrder()).asLongBuffer()

        @JvmStatic
        fun fromBlob(data: LongBuffer, shape: LongArray): Tensor {
            require(data.isDirect) { "Data buffer must be direct" }
            require(data.capacity().toLong() == shape.reduce(Long::times)) { "Shape and data" }
            return LongTensor(data, shape)
        }
    }
}

internal class LongTensor(val data: LongBuffer, shape: LongArray) : Tensor(shape)

internal class FloatTensor(override val dataAsFloatArray: FloatArray) :
    Tensor(longArrayOf(1, dataAsFloatArray.size.toLong()))

class EValue private constructor(private val tensor: Tensor) {
    fun toTensor(): Tensor = tensor

    companion object {
        @JvmStatic
        fun from(tensor: Tensor): EValue = EValue(tensor)
    }
}
