package org.pocketbert.host

import java.io.File
import kotlinx.coroutines.runBlocking
import org.pocketbert.core.BundleStore
import org.pocketbert.core.OnDeviceAssistant
import org.pocketbert.core.Shipped
import org.pocketbert.core.sha256
import org.pocketbert.executorch.ExecuTorchClassifier
import org.pocketbert.litert.LiteRtClassifier

/**
 * In a fresh JVM: what the app's own assistant takes to the first answer, on this host.
 *
 * Run once with a new STORE it is the first start, which installs BUNDLE; then later ones.
 */
fun main(arguments: Array<String>) {
    val (bundle, store, runtime) = arguments
    val begun = System.nanoTime()
    val factory = if (runtime == "executorch") ExecuTorchClassifier else LiteRtClassifier
    val first = !File(store, "current").exists()
    val shipped = Shipped({ sha256(File(bundle, "manifest.json")) }) {
        File(bundle).copyRecursively(it, true)
    }
    val factories = mapOf(runtime to factory)
    val assistant = OnDeviceAssistant(BundleStore(File(store)), factories, shipped, "1")
    runBlocking { assistant.use { tell(it, first, begun) } }
}

private suspend fun tell(assistant: OnDeviceAssistant, first: Boolean, begun: Long) {
    val opened = assistant.open()
    val open = System.nanoTime()
    val answer = assistant.answer("what can I ask you")
    val done = System.nanoTime()
    println(
        "%s (host): %s start %.0f ms to the first answer, %.0f of it on a processor: ".format(
            opened.engine,
            if (first) "first" else "later",
            (done - begun) / 1e6,
            onProcessor(),
        ) + "opened %.0f, answered %.1f, of it tokenising %.1f".format(
            (open - begun) / 1e6, (done - open) / 1e6, answer.tokenizeNanos / 1e6,
        ),
    )
}

/** Milliseconds of this thread and the assistant's: all there is on a machine of one's own. */
private fun onProcessor(): Double = File("/proc/self/task").listFiles().orEmpty()
    .filter { File(it, "comm").readText().trim() in setOf("main", "java", "pool-1-thread-1") }
    .sumOf { File(it, "schedstat").readText().substringBefore(' ').toLong() } / 1e6
