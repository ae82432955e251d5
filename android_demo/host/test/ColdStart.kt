package org.pocketbert.host

import java.io.File
import org.pocketbert.core.Bundle
import org.pocketbert.core.ChatEngine
import org.pocketbert.executorch.ExecuTorchClassifier
import org.pocketbert.litert.LiteRtClassifier

/** In a fresh JVM: what it takes from the bundle's files to the first answer, on this host. */
fun main(arguments: Array<String>) {
    val (folder, name) = arguments
    val times = ArrayList<Double>()
    var last = System.nanoTime()
    fun lap() {
        val now = System.nanoTime()
        times += (now - last) / 1e6
        last = now
    }
    val bundle = Bundle.open(File(folder))
    lap()
    val factory = if (name == "executorch") ExecuTorchClassifier else LiteRtClassifier
    val classifier = factory.load(bundle.artifact(name))
    lap()
    val answer = ChatEngine(bundle, bundle.artifact(name), classifier)
        .answer(bundle.realTexts.first())
    lap()
    val (open, load, first) = times
    println(
        "%s (host): cold start %.0f ms: bundle checked and read %.0f, model loaded %.0f, first "
            .format(name, times.sum(), open, load) +
            "answer %.1f, of it tokenising %.1f".format(first, answer.tokenizeNanos / 1e6),
    )
}
