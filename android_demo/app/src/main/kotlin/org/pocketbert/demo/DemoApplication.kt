package org.pocketbert.demo

import android.app.ActivityManager
import android.app.Application
import android.app.ApplicationExitInfo
import android.content.Context
import android.os.Build
import java.io.File
import java.io.IOException
import java.security.PublicKey
import org.pocketbert.core.Assistant
import org.pocketbert.core.BundleException
import org.pocketbert.core.BundleStore
import org.pocketbert.core.ClassifierFactory
import org.pocketbert.core.History
import org.pocketbert.core.OnDeviceAssistant
import org.pocketbert.core.Shipped
import org.pocketbert.core.publicKey
import org.pocketbert.core.sha256
import org.pocketbert.executorch.ExecuTorchClassifier
import org.pocketbert.litert.LiteRtClassifier

/** Which adapter runs which artefact, the preferred first. */
val FACTORIES: Map<String, ClassifierFactory> = mapOf(
    "executorch" to ExecuTorchClassifier,
    "tflite" to LiteRtClassifier,
)

/** Holds what there is one of in a process. Nothing here reads a file before it is asked. */
class DemoApplication : Application() {
    // Not filesDir, which looks at the disk: this runs on the main thread.
    private val files get() = File(dataDir, "files")

    val assistant: Assistant by lazy {
        OnDeviceAssistant(
            store = BundleStore(File(files, "bundles"), ::bundleKey),
            factories = FACTORIES,
            shipped = Shipped(::shippedManifest) { copyAssets("bundle", it) },
            build = installation(),
            crashed = ::crashed,
            machine = machine(this),
            probes = probes(this, fresh = false),
        )
    }

    val history: History by lazy { History(File(files, "benchmarks"), System::currentTimeMillis) }

    /** Another one after every update, and after a build that a developer installs. */
    private fun installation(): String {
        val info = packageManager.getPackageInfo(packageName, 0)
        return "${info.versionName} ${info.lastUpdateTime}"
    }

    private fun shippedManifest(): String? = try {
        assets.open("bundle/manifest.json").use { sha256(it.readBytes()) }
    } catch (_: IOException) {
        null // no bundle came with the app
    }

    /** The key that bundles must be signed with, where the app was built with one. */
    private fun bundleKey(): PublicKey? = try {
        assets.open("public.pem").use { publicKey(it.readBytes().decodeToString()) }
    } catch (_: IOException) {
        null // any bundle is taken, and shown as unsigned
    }

    /** Whether the last process of this app died of itself; where the system does not tell, yes. */
    private fun crashed(): Boolean {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.R) return true
        val manager = getSystemService(Context.ACTIVITY_SERVICE) as ActivityManager
        val last = manager.getHistoricalProcessExitReasons(null, 0, 1).firstOrNull() ?: return true
        return last.reason in setOf(
            ApplicationExitInfo.REASON_CRASH_NATIVE,
            ApplicationExitInfo.REASON_CRASH,
            ApplicationExitInfo.REASON_SIGNALED,
            ApplicationExitInfo.REASON_INITIALIZATION_FAILURE,
        )
    }

    private fun copyAssets(from: String, into: File) {
        val names = assets.list(from).orEmpty()
        if (names.isEmpty()) {
            throw BundleException(
                "No bundle came with this app. Install one from a ZIP; or, in the repository's " +
                    "root, make one with ./scripts/demo, put it into the app with pocketbert " +
                    "install build/bundle android_demo, and build the app again.",
            )
        }
        for (name in names) {
            val path = "$from/$name"
            val file = File(into, name)
            if (assets.list(path).orEmpty().isNotEmpty()) {
                file.mkdirs()
                copyAssets(path, file)
            } else {
                assets.open(path).use { source -> file.outputStream().use(source::copyTo) }
            }
        }
    }
}
