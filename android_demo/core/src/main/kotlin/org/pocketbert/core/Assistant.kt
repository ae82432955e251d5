package org.pocketbert.core

import java.io.Closeable
import java.io.File
import java.io.InputStream
import java.util.concurrent.Executors
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.withContext

/** What answers, and in which runtime. */
data class Opened(
    val bundle: String,
    val runtimes: List<String>,
    val artifact: String,
    val engine: String,
)

/** What answers have cost in the runtime that is open. */
data class Cost(val engine: String, val steps: Steps, val inferences: List<Double>)

/** What the chat needs; every call may take a while, and throws a `PocketbertException`. */
interface Assistant : Closeable {
    /** Open the current bundle in the runtime of [artifact], or the first that it carries. */
    suspend fun open(artifact: String? = null): Opened

    suspend fun answer(text: String): Answer

    /** Null before the first answer. */
    suspend fun cost(): Cost?

    /** Make the bundle of a ZIP the current one; on an error the old one stays. */
    suspend fun install(zip: () -> InputStream): Opened
}

/** The bundle that came with the app: the digest of its manifest, and how it is copied. */
class Shipped(val manifestSha256: String?, val copyInto: (File) -> Unit)

/** Answers on this device, on one thread of its own. */
class OnDeviceAssistant(
    private val store: BundleStore,
    private val factories: Map<String, ClassifierFactory>,
    private val shipped: Shipped,
) : Assistant {
    private val executor = Executors.newSingleThreadExecutor()
    private val thread = executor.asCoroutineDispatcher()
    private var loaded: Loaded? = null

    override suspend fun open(artifact: String?): Opened = onThread {
        val bundle = loaded?.bundle ?: first()
        show(bundle, artifact ?: bundle.runtimes().first())
    }

    override suspend fun answer(text: String): Answer = onThread {
        val loaded = checkNotNull(loaded) { "open comes first" }
        val begun = System.nanoTime()
        loaded.engine.answer(text).also { loaded.recorder.add(it, System.nanoTime() - begun) }
    }

    override suspend fun cost(): Cost? = onThread {
        loaded?.run {
            recorder.steps()?.let { Cost(classifier.runtime, it, recorder.inferences()) }
        }
    }

    override suspend fun install(zip: () -> InputStream): Opened = onThread {
        val bundle = store.install(accept = ::accept) { BundleStore.unzip(zip(), it) }
        show(bundle, bundle.runtimes().first())
    }

    override fun close() {
        executor.execute { loaded?.classifier?.close() }
        executor.shutdown()
    }

    /** The current bundle; at first, and after an update of the app, the one that came with it. */
    private fun first(): Bundle {
        store.tidy()
        val current = store.current()
        val sameApp = store.shipped == shipped.manifestSha256
        if (current != null && sameApp) return current
        return store.install(shipped.manifestSha256, ::accept, shipped.copyInto)
    }

    /** A bundle becomes current only when it answers as sealed. */
    private fun accept(bundle: Bundle) {
        val name = bundle.runtimes().first()
        bundle.load(name, factories.getValue(name)).close()
    }

    private fun show(bundle: Bundle, artifact: String): Opened {
        val classifier = bundle.load(artifact, factories.getValue(artifact))
        loaded?.classifier?.close()
        val engine = ChatEngine(bundle, bundle.artifact(artifact), classifier)
        loaded = Loaded(bundle, classifier, engine)
        return Opened(bundle.name, bundle.runtimes(), artifact, classifier.runtime)
    }

    private fun Bundle.runtimes(): List<String> =
        artifacts.keys.filter { it in factories }.ifEmpty {
            throw BundleException(
                "The bundle carries none of ${factories.keys.joinToString()}. Install another.",
            )
        }

    private suspend fun <T> onThread(call: () -> T): T = withContext(thread) { call() }

    private class Loaded(val bundle: Bundle, val classifier: Classifier, val engine: ChatEngine) {
        val recorder = LatencyRecorder()
    }
}
