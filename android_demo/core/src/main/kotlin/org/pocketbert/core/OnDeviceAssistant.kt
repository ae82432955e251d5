package org.pocketbert.core

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.util.concurrent.Executors
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.withContext

/**
 * Answers on this device, on one thread of its own; one for a process, since it tidies its store.
 *
 * @param factories which adapter runs which artefact, the preferred first.
 * @param build of the app, as it was installed: what is remembered of a runtime holds for this one,
 *   and with another the app's own bundle is looked at again.
 * @param crashed whether the process that was here before died of itself; asked where it ended
 *   while a runtime was loading.
 * @param machine what measurements ran on, and how they look around.
 */
public class OnDeviceAssistant(
    private val store: BundleStore,
    private val factories: Map<String, ClassifierFactory>,
    private val shipped: Shipped,
    private val build: String = "",
    crashed: () -> Boolean = { true },
    private val machine: Machine = Machine("host", "", ""),
    private val probes: Probes = Probes(),
) : Assistant {
    private val executor = Executors.newSingleThreadExecutor()
    private val thread = executor.asCoroutineDispatcher()
    private val attempts = Attempts(store, build, crashed)
    private var loaded: Loaded? = null
    private var begun = false

    override val runtimes: List<String> get() = factories.keys.toList()

    override suspend fun open(artifact: String?): Opened = onThread {
        if (!begun) {
            attempts.settle()
            store.tidy()
            begun = true
        }
        val now = loaded
        if (now != null) {
            show(now.bundle, artifact)
        } else {
            first(artifact)
        }
    }

    override suspend fun answer(text: String): Answer = onThread {
        val loaded = opened()
        val begun = System.nanoTime()
        loaded.engine.answer(text).also { loaded.recorder.add(it, System.nanoTime() - begun) }
    }

    override suspend fun cost(): Cost? = onThread {
        loaded?.run {
            recorder.steps()?.let { Cost(classifier.runtime, it, recorder.inferences()) }
        }
    }

    override suspend fun explain(text: String): Explanation = onThread {
        val loaded = opened()
        val bundle = loaded.bundle
        val failures = ArrayList<String>()
        val readings = inOrder(bundle, failures).mapNotNull { name ->
            val own = name == loaded.artifact
            tryLoading(name, failures) { if (own) loaded.classifier else load(bundle, name) }
                ?.let { classifier ->
                    val reader = if (own) loaded.engine else engine(bundle, name, classifier)
                    try {
                        reader.read(text)
                    } finally {
                        if (!own) classifier.close()
                    }
                }
        }
        Explanation(text, bundle.tokenizer.run { decode(encode(text)) }, readings, failures)
    }

    override suspend fun prompts(): List<String> = onThread {
        val texts = opened().bundle.realTexts.filter { it.length in SHORT }
        val step = maxOf(1, texts.size / PROMPTS)
        texts.filterIndexed { place, _ -> place % step == 0 }.take(PROMPTS)
    }

    override suspend fun measure(
        rules: Rules,
        stopped: () -> String?,
        progress: (Float) -> Unit,
    ): Comparison = onThread {
        val bundle = opened().bundle
        val failures = ArrayList<String>()
        val names = inOrder(bundle, failures)
        val measured = names.mapIndexedNotNull { place, name ->
            tryLoading(name, failures) {
                val artifact = bundle.artifact(name)
                BenchmarkRunner(bundle, artifact, factory(name), machine, probes, stopped)
                    .run(rules) { progress((place + it) / names.size) }
            }
        }
        if (measured.isEmpty()) throw RuntimeFailure(failures.joinToString(" "))
        Comparison(measured.map { it.record }, agreement(measured.map { it.labels }), failures)
    }

    override suspend fun install(zip: () -> InputStream): Opened = onThread {
        install(null, everyRuntime = true) { unzip(zip(), it) }
    }

    override suspend fun restore(): Opened = onThread { installShipped(emptyList()) }

    override fun close() {
        executor.execute { loaded?.classifier?.close() }
        executor.shutdown()
    }

    private fun opened() = loaded ?: throw RuntimeFailure("No bundle is open. Open one first.")

    /**
     * The current bundle; at first, after an update of the app, and where the current one can't be
     * opened, the one that came with the app.
     */
    private fun first(artifact: String?): Opened {
        val notices = ArrayList<String>()
        // No digest, not even of a manifest, where this very installation has started before.
        val sameBuild = build.isNotEmpty() && store.readNote(BUILD) == build
        if (sameBuild || store.shipped == shipped.manifestSha256()) {
            try {
                store.current()?.let { current ->
                    return show(current, artifact).also { store.note(BUILD, build) }
                }
            } catch (error: PocketbertException) {
                if (artifact != null || shipped.manifestSha256() == null) throw error
                notices += "${error.message} The app's own bundle is used."
            }
        }
        return try {
            installShipped(notices)
        } catch (error: PocketbertException) {
            val old = currentOrNull() ?: throw error
            val why = "${error.message} The earlier bundle is used."
            show(old, artifact).run { copy(notices = listOf(why) + notices) }
        }
    }

    private fun currentOrNull() = try {
        store.current()
    } catch (_: BundleException) {
        null
    }

    private fun installShipped(notices: List<String>): Opened {
        val opened = install(shipped.manifestSha256(), everyRuntime = false, shipped.copyInto)
        store.note(BUILD, build)
        return opened.copy(notices = notices + opened.notices)
    }

    /** A bundle becomes current only when it answers as sealed. */
    private fun install(
        sha256: String?,
        everyRuntime: Boolean,
        fill: (File) -> Unit,
    ): Opened {
        var accepted: Chosen? = null
        val bundle = try {
            store.install(sha256, { accepted = accept(it, everyRuntime) }, fill)
        } catch (error: PocketbertException) {
            accepted?.classifier?.close()
            throw error
        }
        return show(bundle, accepted!!)
    }

    private fun accept(bundle: Bundle, everyRuntime: Boolean): Chosen {
        val chosen = choose(bundle, strict = everyRuntime)
        val others = inOrder(bundle, ArrayList()) - chosen.name
        try {
            if (everyRuntime) {
                for (name in others) {
                    tryLoading(name, chosen.notices, strict = true) { load(bundle, name).close() }
                }
            }
        } catch (error: Throwable) {
            chosen.classifier.close()
            throw error
        }
        return chosen
    }

    private fun show(bundle: Bundle, artifact: String?): Opened {
        if (artifact == null) return show(bundle, choose(bundle))
        val chosen = Chosen(artifact, load(bundle, artifact), ArrayList())
        store.note(CHOSEN, artifact)
        return show(bundle, chosen)
    }

    private fun show(bundle: Bundle, chosen: Chosen): Opened {
        loaded?.classifier?.close()
        val (name, classifier, notices) = chosen
        loaded = Loaded(bundle, name, classifier, engine(bundle, name, classifier))
        return Opened(bundle.name, name, classifier.runtime, bundle.signed, notices)
    }

    /** The first runtime that works here; the others' reasons become notices. */
    private fun choose(bundle: Bundle, strict: Boolean = false): Chosen {
        val notices = ArrayList<String>()
        for (name in inOrder(bundle, notices)) {
            val classifier = tryLoading(name, notices, strict) { load(bundle, name) } ?: continue
            return Chosen(name, classifier, notices)
        }
        throw RuntimeFailure("No runtime answers on this phone. ${notices.joinToString(" ")}")
    }

    /** The bundle's runtimes that this app has; without those that ended the app before. */
    private fun inOrder(bundle: Bundle, notices: MutableList<String>): List<String> {
        val names = factories.keys.filter { it in bundle.artifacts }
        if (names.isEmpty()) {
            throw BundleException(
                "The bundle carries none of ${runtimes.joinToString()}. Install another.",
            )
        }
        val dead = names.filter { attempts.died(bundle.artifact(it)) }
        for (name in dead) {
            notices += "$name ended the app when it was loaded, so it is passed over. " +
                "Choose it under Runtime to try again."
        }
        val chosen = store.readNote(CHOSEN)
        return (names - dead.toSet()).sortedBy { it != chosen }
    }

    private fun load(bundle: Bundle, name: String): Classifier =
        attempts.watch(bundle.artifact(name)) { store.load(bundle, name, factory(name), build) }

    private fun factory(name: String) = factories[name] ?: throw BundleException(
        "This app runs ${runtimes.joinToString()}, and $name was asked for.",
    )

    private fun engine(bundle: Bundle, name: String, classifier: Classifier) =
        ChatEngine(bundle, bundle.artifact(name), classifier)

    /**
     * Null, and the reason among [failures], where the runtime of [name] does not work here.
     *
     * Where [strict], other answers than sealed are the bundle's fault and no runtime's.
     */
    private fun <T> tryLoading(
        name: String,
        failures: MutableList<String>,
        strict: Boolean = false,
        load: () -> T,
    ): T? = try {
        load()
    } catch (error: PocketbertException) {
        if (error is Stopped || strict && error is BundleException) throw error
        failures += "$name: ${error.message}"
        null
    }

    private suspend fun <T> onThread(call: () -> T): T = withContext(thread) {
        try {
            call()
        } catch (error: IOException) {
            throw BundleException("The bundle cannot be read: ${error.message}.", error)
        } catch (error: RuntimeException) { // nobody may die of a file that someone sent
            throw BundleException("This failed unexpectedly: $error. Use another bundle.", error)
        } catch (error: OutOfMemoryError) {
            throw BundleException("The bundle is too large for this phone.", error)
        } catch (error: StackOverflowError) {
            throw BundleException("The bundle is nested too deeply.", error)
        }
    }

    private data class Chosen(
        val name: String,
        val classifier: Classifier,
        val notices: ArrayList<String>,
    )

    private class Loaded(
        val bundle: Bundle,
        val artifact: String,
        val classifier: Classifier,
        val engine: ChatEngine,
    ) {
        val recorder = LatencyRecorder()
    }

    private companion object {
        const val CHOSEN = "chosen"
        const val BUILD = "build"
        const val PROMPTS = 6
        val SHORT = 8..48 // characters of a text that fits on a button
    }
}
