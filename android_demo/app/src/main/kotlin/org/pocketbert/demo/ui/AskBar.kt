package org.pocketbert.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.imePadding
import androidx.compose.foundation.layout.navigationBarsPadding
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.text.KeyboardActions
import androidx.compose.foundation.text.KeyboardOptions
import androidx.compose.material3.Button
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.input.key.Key
import androidx.compose.ui.input.key.KeyEvent
import androidx.compose.ui.input.key.KeyEventType
import androidx.compose.ui.input.key.isShiftPressed
import androidx.compose.ui.input.key.key
import androidx.compose.ui.input.key.onPreviewKeyEvent
import androidx.compose.ui.input.key.type
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.text.input.ImeAction
import androidx.compose.ui.unit.dp
import org.pocketbert.demo.R

/** What is typed stays through rotation and the death of the process, until it is sent. */
@Composable
fun AskBar(enabled: Boolean, ask: (String) -> Unit) {
    var text by rememberSaveable { mutableStateOf("") }
    val send = {
        if (enabled && text.isNotBlank()) {
            ask(text)
            text = ""
        }
    }
    Row(
        Modifier.fillMaxWidth().navigationBarsPadding().imePadding().padding(12.dp),
        horizontalArrangement = Arrangement.spacedBy(8.dp),
        verticalAlignment = Alignment.CenterVertically,
    ) {
        OutlinedTextField(
            value = text,
            onValueChange = { text = it },
            modifier = Modifier.weight(1f).onPreviewKeyEvent { event ->
                event.sends().also { if (it && event.type == KeyEventType.KeyDown) send() }
            },
            label = { Text(stringResource(R.string.ask)) },
            keyboardOptions = KeyboardOptions(imeAction = ImeAction.Send),
            keyboardActions = KeyboardActions(onSend = { send() }),
            maxLines = 4,
        )
        Button(onClick = send, enabled = enabled && text.isNotBlank()) {
            Text(stringResource(R.string.send))
        }
    }
}

/** Enter of a hardware keyboard; with Shift it breaks the line. */
private fun KeyEvent.sends() =
    (key == Key.Enter || key == Key.NumPadEnter) && !isShiftPressed
