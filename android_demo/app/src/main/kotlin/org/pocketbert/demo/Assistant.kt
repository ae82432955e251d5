package org.pocketbert.demo

import java.io.File
import java.io.InputStream
import java.util.concurrent.Executors
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.withContext
import org.pocketbert.core.Answer
import org.pocketbert.core.Bundle
import org.pocketbert.core.BundleException
import org.pocketbert.core.BundleStore
import org.pocketbert.core.ChatEngine
import org.pocketbert.core.Classifier
import org.pocketbert.core.ClassifierFactory
import org.pocketbert.core.LatencyRecorder
import org.pocketbert.core.Steps

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
interface Assistant {
    /** Open the current bundle in the runtime of [artifact], or the first that it carries. */
    suspend fun open(artifact: String? = null): Opened

    suspend fun answer(text: String): Answer

    /** Null before the first answer. */
    suspend fun cost(): Cost?

    /** Make the bundle of a ZIP the current one; on an error the old one stays. */
    suspend fun install(zip: () -> InputStream): Opened
}

/** Answers on this device, on one thread of its own. */
class OnDeviceAssistant(
    private val store: BundleStore,
    private val factories: Map<String, ClassifierFactory>,
    private val shipped: (File) -> Unit,
) : Assistant {
    private val thread = Executors.newSingleThreadExecutor().asCoroutineDispatcher()
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
        val bundle = store.install { folder -> BundleStore.unzip(zip(), folder) }
        show(bundle, bundle.runtimes().first())
    }

    /** The current bundle, or, at first, the one that came with the app. */
    private fun first(): Bundle {
        store.tidy()
        return store.current() ?: store.install(shipped)
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
