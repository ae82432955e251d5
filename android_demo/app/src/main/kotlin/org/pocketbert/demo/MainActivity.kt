package org.pocketbert.demo

import android.content.ActivityNotFoundException
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.rememberLauncherForActivityResult
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.activity.result.contract.ActivityResultContracts
import androidx.activity.viewModels
import androidx.compose.runtime.getValue
import androidx.lifecycle.compose.collectAsStateWithLifecycle
import androidx.lifecycle.createSavedStateHandle
import androidx.lifecycle.viewmodel.initializer
import androidx.lifecycle.viewmodel.viewModelFactory
import java.io.FileNotFoundException
import org.pocketbert.core.Comparison
import org.pocketbert.demo.ui.ChatActions
import org.pocketbert.demo.ui.ChatScreen
import org.pocketbert.demo.ui.DemoTheme

class MainActivity : ComponentActivity() {
    private val model: ChatViewModel by viewModels {
        val app = application as DemoApplication
        viewModelFactory {
            initializer { ChatViewModel(app.assistant, createSavedStateHandle(), app.history) }
        }
    }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        setContent {
            val state by model.state.collectAsStateWithLifecycle()
            val choose = rememberLauncherForActivityResult(
                ActivityResultContracts.OpenDocument(),
            ) { uri -> uri?.let(::install) }
            val actions = ChatActions(
                ask = model::ask,
                open = model::open,
                install = { started { choose.launch(ZIP) } },
                restore = model::restore,
                explain = model::explain,
                explained = model::explained,
                measure = { model.measure() },
                benchmarkSeen = {
                    model.stopMeasuring()
                    model.benchmarkSeen()
                },
                share = ::share,
                showCost = model::showCost,
                noticeSeen = model::noticeSeen,
            )
            DemoTheme { ChatScreen(state, actions) }
        }
    }

    override fun onStop() {
        super.onStop()
        if (!isChangingConfigurations) model.stopMeasuring()
    }

    private fun install(uri: Uri) {
        val resolver = applicationContext.contentResolver // outlives this activity
        model.install { resolver.openInputStream(uri) ?: throw FileNotFoundException("$uri") }
    }

    private fun share(result: Comparison) = started {
        val text = result.records.joinToString(",", "[", "]") { it.toJson() }
        val send = Intent(Intent.ACTION_SEND).setType("text/plain")
            .putExtra(Intent.EXTRA_TEXT, text)
        startActivity(Intent.createChooser(send, null))
    }

    private fun started(start: () -> Unit) = try {
        start()
    } catch (_: ActivityNotFoundException) {
        model.tell(getString(R.string.no_app))
    }

    private companion object {
        // What files of this kind are called by those who provide them.
        val ZIP = arrayOf(
            "application/zip", "application/x-zip-compressed", "application/octet-stream",
        )
    }
}
