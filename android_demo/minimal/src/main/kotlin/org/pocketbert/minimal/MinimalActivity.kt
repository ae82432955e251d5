package org.pocketbert.minimal

import android.app.Activity
import android.os.Bundle
import android.widget.TextView
import java.io.File
import kotlin.concurrent.thread
import org.pocketbert.core.BundleStore
import org.pocketbert.core.ChatEngine
import org.pocketbert.litert.LiteRtClassifier

/** All that an app needs to answer one text: a store, a bundle, a runtime, an engine. */
class MinimalActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val view = TextView(this).also(::setContentView)
        thread {
            val store = BundleStore(File(filesDir, "bundles"))
            val bundle = store.current() ?: store.install(fill = ::copyBundle)
            val classifier = store.load(bundle, "tflite", LiteRtClassifier)
            val answer = ChatEngine(bundle, bundle.artifact("tflite"), classifier)
                .answer("wake me at seven")
            runOnUiThread { view.text = answer.reply }
        }
    }

    private fun copyBundle(into: File) = assets.list("bundle").orEmpty().forEach { name ->
        assets.open("bundle/$name").use { File(into, name).outputStream().use(it::copyTo) }
    }
}
