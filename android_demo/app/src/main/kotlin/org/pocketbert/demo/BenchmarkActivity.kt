package org.pocketbert.demo

import android.content.Intent
import android.os.Bundle
import android.os.PowerManager
import android.util.Log
import android.view.WindowManager
import androidx.activity.ComponentActivity
import androidx.activity.compose.setContent
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.safeDrawingPadding
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableFloatStateOf
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.unit.dp
import java.io.File
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.concurrent.thread
import org.pocketbert.core.BenchmarkRunner
import org.pocketbert.core.Bundle as SealedBundle
import org.pocketbert.core.BundleException
import org.pocketbert.core.Rules
import org.pocketbert.core.writeRecord
import org.pocketbert.demo.ui.DemoTheme

/**
 * Measures one artefact and writes the record, as `docs/benchmarking.md` tells; adb starts it:
 * `am start -W -S -n org.pocketbert.demo/.BenchmarkActivity --es bundle … --es runtime …`.
 */
class BenchmarkActivity : ComponentActivity() {
    private var progress by mutableFloatStateOf(0f)

    @Volatile
    private var whyStopped: String? = null

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        val power = getSystemService(POWER_SERVICE) as PowerManager
        // Speed that the phone can hold, instead of one that it gives up when it is warm.
        window.setSustainedPerformanceMode(power.isSustainedPerformanceModeSupported)
        val runtime = intent.getStringExtra("runtime").orEmpty()
        setContent {
            DemoTheme {
                Surface {
                    Column(Modifier.safeDrawingPadding().padding(32.dp)) {
                        val now = if (progress < 1f) R.string.benchmark else R.string.benchmark_done
                        Text(stringResource(now, runtime))
                        LinearProgressIndicator(progress = { progress })
                    }
                }
            }
        }
        // Once a process: this is called again when the activity is made anew in it.
        if (!started.getAndSet(true)) thread(name = "benchmark") { measure(intent, runtime) }
    }

    override fun onStop() {
        super.onStop()
        // What runs in the background is put on the slow cores.
        if (!isChangingConfigurations) whyStopped = "the benchmark left the screen"
    }

    private fun measure(from: Intent, runtime: String) {
        val file = from.getStringExtra("record") ?: return
        writeRecord(File(file)) {
            try {
                record(from, runtime)
            } catch (error: Throwable) {
                Log.e("pocketbert", "$runtime is not measured", error)
                throw error
            }
        }
        progress = 1f
    }

    private fun record(from: Intent, runtime: String): String {
        // Into the app's own folder: what adb pushes is read through a slower file system.
        val folder = File(cacheDir, "bench").apply { deleteRecursively() }
        File(from.getStringExtra("bundle").orEmpty()).copyRecursively(folder)
        val bundle = SealedBundle.open(folder)
        val artifact = bundle.artifact(runtime)
        val factory = FACTORIES[runtime] ?: throw BundleException(
            "This app runs ${FACTORIES.keys.joinToString()}, and $runtime was asked for.",
        )
        val rules = Rules(
            warmUp = from.getIntExtra("warmUp", Rules().warmUp),
            queries = from.getIntExtra("queries", Rules().queries),
            seconds = from.getFloatExtra("seconds", Rules().seconds.toFloat()).toDouble(),
            coolDown = from.getFloatExtra("coolDown", 0f).toDouble(),
            sustainedMinutes = from.getIntExtra("sustained", 0),
        )
        val machine = machine(this, from.getStringExtra("kind"))
        val probes = probes(this, fresh = true)
        val runner = BenchmarkRunner(bundle, artifact, factory, machine, probes, { whyStopped })
        // In steps, so that drawing does not disturb what is measured.
        return runner.run(rules) { if (it - progress > STEP) progress = it * ALMOST }
            .record.toJson()
    }

    private companion object {
        val started = AtomicBoolean()
        const val STEP = 0.05f
        const val ALMOST = 0.99f // until the record is written
    }
}
