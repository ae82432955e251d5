package org.pocketbert.demo

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
import androidx.lifecycle.viewmodel.initializer
import androidx.lifecycle.viewmodel.viewModelFactory
import java.io.FileNotFoundException
import java.io.InputStream
import org.pocketbert.demo.ui.ChatActions
import org.pocketbert.demo.ui.ChatScreen
import org.pocketbert.demo.ui.DemoTheme

class MainActivity : ComponentActivity() {
    private val model: ChatViewModel by viewModels {
        viewModelFactory { initializer { ChatViewModel(assistant(applicationContext)) } }
    }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        setContent {
            val state by model.state.collectAsStateWithLifecycle()
            val choose = rememberLauncherForActivityResult(
                ActivityResultContracts.OpenDocument(),
            ) { uri -> uri?.let { model.install { read(it) } } }
            val actions = ChatActions(
                ask = model::ask,
                open = model::open,
                install = { choose.launch(ZIP) },
                showCost = model::showCost,
                noticeSeen = model::noticeSeen,
            )
            DemoTheme { ChatScreen(state, actions) }
        }
    }

    private companion object {
        // What files of this kind are called by those who provide them.
        val ZIP = arrayOf(
            "application/zip", "application/x-zip-compressed", "application/octet-stream",
        )
    }

    private fun read(uri: Uri): InputStream =
        contentResolver.openInputStream(uri) ?: throw FileNotFoundException("$uri")
}
