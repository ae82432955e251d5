package org.pocketbert.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.imePadding
import androidx.compose.foundation.layout.navigationBarsPadding
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.widthIn
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.foundation.lazy.rememberLazyListState
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.text.KeyboardActions
import androidx.compose.foundation.text.KeyboardOptions
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.Button
import androidx.compose.material3.CircularProgressIndicator
import androidx.compose.material3.DropdownMenu
import androidx.compose.material3.DropdownMenuItem
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.LocalTextStyle
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Scaffold
import androidx.compose.material3.SnackbarHost
import androidx.compose.material3.SnackbarHostState
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.material3.TopAppBar
import androidx.compose.material3.TopAppBarDefaults
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalDensity
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.selected
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.TextStyle
import androidx.compose.ui.text.input.ImeAction
import androidx.compose.ui.text.style.TextAlign
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.tooling.preview.Preview
import androidx.compose.ui.unit.dp
import org.pocketbert.core.Answer
import org.pocketbert.core.Opened
import org.pocketbert.demo.ChatUiState
import org.pocketbert.demo.Message
import org.pocketbert.demo.Notice
import org.pocketbert.demo.R
import org.pocketbert.demo.Status

/** What the user can do. */
class ChatActions(
    val ask: (String) -> Unit = {},
    val open: (String?) -> Unit = {},
    val install: () -> Unit = {},
    val showCost: (Boolean) -> Unit = {},
    val noticeSeen: () -> Unit = {},
)

/** The one screen, drawn from [state] alone. */
@Composable
fun ChatScreen(state: ChatUiState, actions: ChatActions) {
    val snackbar = remember { SnackbarHostState() }
    Notices(state.notice, snackbar, actions.noticeSeen)
    Scaffold(
        topBar = { TopBar(state, actions) },
        bottomBar = { AskBar(state.status == Status.Ready && !state.answering, actions.ask) },
        snackbarHost = { SnackbarHost(snackbar) },
    ) { padding ->
        when (val status = state.status) {
            Status.Loading -> Center(padding, stringResource(R.string.loading)) {
                CircularProgressIndicator()
            }
            is Status.Failed -> Center(padding, status.why) {
                Button(onClick = { actions.open(null) }) { Text(stringResource(R.string.retry)) }
                TextButton(actions.install) { Text(stringResource(R.string.install)) }
            }
            Status.Ready -> if (state.messages.isEmpty()) {
                Center(padding, stringResource(R.string.empty))
            } else {
                Messages(state.messages, padding)
            }
        }
    }
    if (state.showsCost) LatencySheet(state.cost) { actions.showCost(false) }
}

@Composable
private fun Notices(notice: Notice?, snackbar: SnackbarHostState, seen: () -> Unit) {
    val text = when (notice) {
        null -> return
        is Notice.Error -> notice.why
        is Notice.Installed -> stringResource(R.string.installed, notice.bundle)
    }
    val dismiss = stringResource(R.string.dismiss)
    LaunchedEffect(notice) {
        snackbar.showSnackbar(text, actionLabel = dismiss.takeIf { notice is Notice.Error })
        seen()
    }
}

@OptIn(ExperimentalMaterial3Api::class)
@Composable
private fun TopBar(state: ChatUiState, actions: ChatActions) {
    var chooses by remember { mutableStateOf(false) }
    TopAppBar(
        // Two lines in it grow with the user's font.
        expandedHeight = TopAppBarDefaults.TopAppBarExpandedHeight *
            LocalDensity.current.fontScale.coerceAtLeast(1f),
        title = {
            Column {
                OneLine(state.opened?.bundle ?: stringResource(R.string.app_name))
                state.opened?.let { OneLine(it.engine, MaterialTheme.typography.labelMedium) }
            }
        },
        actions = {
            TextButton({ actions.showCost(true) }) { Text(stringResource(R.string.latency)) }
            Box {
                TextButton(onClick = { chooses = true }) { Text(stringResource(R.string.runtime)) }
                DropdownMenu(expanded = chooses, onDismissRequest = { chooses = false }) {
                    for (name in state.opened?.runtimes.orEmpty()) {
                        DropdownMenuItem(
                            text = { Text(name) },
                            modifier = Modifier.semantics {
                                selected = name == state.opened?.artifact
                            },
                            enabled = name != state.opened?.artifact && !state.answering,
                            onClick = {
                                chooses = false
                                actions.open(name)
                            },
                        )
                    }
                    val install = {
                        chooses = false
                        actions.install()
                    }
                    DropdownMenuItem({ Text(stringResource(R.string.install)) }, install)
                }
            }
        },
    )
}

@Composable
private fun OneLine(text: String, style: TextStyle = LocalTextStyle.current) =
    Text(text, style = style, maxLines = 1, overflow = TextOverflow.Ellipsis)

@Composable
private fun Center(padding: PaddingValues, text: String, content: @Composable () -> Unit = {}) {
    Column(
        Modifier.fillMaxSize().padding(padding).verticalScroll(rememberScrollState()).padding(32.dp)
            .semantics { liveRegion = LiveRegionMode.Polite },
        verticalArrangement = Arrangement.spacedBy(16.dp, Alignment.CenterVertically),
        horizontalAlignment = Alignment.CenterHorizontally,
    ) {
        Text(text, textAlign = TextAlign.Center)
        content()
    }
}

@Composable
private fun Messages(messages: List<Message>, padding: PaddingValues) {
    val list = rememberLazyListState()
    LaunchedEffect(messages.size) { list.animateScrollToItem(messages.lastIndex) }
    LazyColumn(
        Modifier.fillMaxSize().padding(padding),
        state = list,
        contentPadding = PaddingValues(16.dp),
        verticalArrangement = Arrangement.spacedBy(12.dp),
    ) {
        items(messages, key = { it.id }) { message -> Bubble(message) }
    }
}

@Composable
private fun Bubble(message: Message) {
    val answer = message.answer
    val mine = answer == null
    val spoken = stringResource(if (mine) R.string.you_said else R.string.it_said, message.text)
    Box(Modifier.fillMaxWidth(), if (mine) Alignment.CenterEnd else Alignment.CenterStart) {
        Surface(
            color = when {
                mine -> MaterialTheme.colorScheme.primaryContainer
                answer?.intent == null -> MaterialTheme.colorScheme.tertiaryContainer
                else -> MaterialTheme.colorScheme.surfaceContainerHigh
            },
            shape = MaterialTheme.shapes.large,
            modifier = Modifier.widthIn(max = 320.dp),
        ) {
            Column(Modifier.padding(horizontal = 16.dp, vertical = 10.dp)) {
                val said = Modifier.semantics {
                    contentDescription = spoken
                    if (!mine) liveRegion = LiveRegionMode.Polite
                }
                Text(message.text, said)
                answer?.let { Text(cost(it), style = MaterialTheme.typography.labelMedium) }
            }
        }
    }
}

@Composable
private fun cost(answer: Answer): String = stringResource(
    R.string.cost,
    answer.intent ?: stringResource(R.string.not_understood, answer.nearest),
    answer.confidence * 100,
    (answer.tokenizeNanos + answer.inferenceNanos) / 1e6,
)

@Composable
private fun AskBar(enabled: Boolean, ask: (String) -> Unit) {
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
            modifier = Modifier.weight(1f),
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

@Preview(showBackground = true)
@Composable
private fun ChatPreview() = DemoTheme {
    val answer = Answer("It is ten past nine.", "time", "time", 0.98f, 20_000, 400_000)
    ChatScreen(
        ChatUiState(
            status = Status.Ready,
            opened = Opened("assistant", listOf("executorch", "tflite"), "tflite", "LiteRT"),
            messages = listOf(
                Message(0, "what time is it"),
                Message(1, answer.reply, answer),
                Message(2, "who won in 1954"),
                Message(3, "I did not get that.", answer.copy(intent = null, confidence = 0.31f)),
            ),
        ),
        ChatActions(),
    )
}
