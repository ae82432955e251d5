package org.pocketbert.demo

import android.content.Context
import android.os.Build
import java.io.File
import java.io.IOException
import org.pocketbert.core.Assistant
import org.pocketbert.core.BundleException
import org.pocketbert.core.BundleStore
import org.pocketbert.core.ClassifierFactory
import org.pocketbert.core.Machine
import org.pocketbert.core.OnDeviceAssistant
import org.pocketbert.core.Shipped
import org.pocketbert.core.sha256
import org.pocketbert.executorch.ExecuTorchClassifier
import org.pocketbert.litert.LiteRtClassifier

/** Which adapter runs which artefact. */
val FACTORIES: Map<String, ClassifierFactory> = mapOf(
    "executorch" to ExecuTorchClassifier,
    "tflite" to LiteRtClassifier,
)

/** The assistant over the bundle that came with the app, or one installed since. */
fun assistant(context: Context): Assistant = OnDeviceAssistant(
    store = BundleStore(File(context.filesDir, "bundles")),
    factories = FACTORIES,
    shipped = Shipped(shippedManifest(context)) { copyAssets(context, "bundle", it) },
)

private fun shippedManifest(context: Context): String? = try {
    context.assets.open("bundle/manifest.json").use { sha256(it.readBytes()) }
} catch (_: IOException) {
    null // no bundle came with the app
}

/** This phone or emulator, told apart by what its hardware is called; adb decides alike. */
fun machine(): Machine {
    val emulated = Build.HARDWARE in setOf("ranchu", "goldfish", "cuttlefish", "vbox86")
    return Machine(
        kind = if (emulated) "android-emulator" else "android-device",
        device = Build.MODEL,
        system = "Android ${Build.VERSION.RELEASE}",
    )
}

private fun copyAssets(context: Context, from: String, into: File) {
    val names = context.assets.list(from).orEmpty()
    if (names.isEmpty()) {
        throw BundleException("No bundle came with this app. Install one, or build the app anew.")
    }
    for (name in names) {
        val path = "$from/$name"
        val file = File(into, name)
        if (context.assets.list(path).orEmpty().isNotEmpty()) {
            file.mkdirs()
            copyAssets(context, path, file)
        } else {
            context.assets.open(path).use { source -> file.outputStream().use(source::copyTo) }
        }
    }
}
