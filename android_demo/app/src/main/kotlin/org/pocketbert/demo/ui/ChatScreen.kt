package org.pocketbert.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.widthIn
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.Button
import androidx.compose.material3.CircularProgressIndicator
import androidx.compose.material3.Scaffold
import androidx.compose.material3.SnackbarDuration
import androidx.compose.material3.SnackbarHost
import androidx.compose.material3.SnackbarHostState
import androidx.compose.material3.SuggestionChip
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.SideEffect
import androidx.compose.runtime.remember
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalView
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextAlign
import androidx.compose.ui.tooling.preview.Preview
import androidx.compose.ui.unit.dp
import org.pocketbert.core.Answer
import org.pocketbert.core.Comparison
import org.pocketbert.core.Opened
import org.pocketbert.demo.Benchmark
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
    val restore: () -> Unit = {},
    val explain: (String) -> Unit = {},
    val explained: () -> Unit = {},
    val measure: () -> Unit = {},
    val benchmarkSeen: () -> Unit = {},
    val share: (Comparison) -> Unit = {},
    val showCost: (Boolean) -> Unit = {},
    val noticeSeen: () -> Unit = {},
)

/** The one screen, drawn from [state] alone. */
@Composable
fun ChatScreen(state: ChatUiState, actions: ChatActions) {
    val snackbar = remember { SnackbarHostState() }
    Notices(state.notice, snackbar, actions.noticeSeen)
    val view = LocalView.current
    SideEffect { view.keepScreenOn = state.benchmark is Benchmark.Running }
    Scaffold(
        topBar = { TopBar(state, actions) },
        bottomBar = {
            Centered { AskBar(state.status == Status.Ready && !state.answering, actions.ask) }
        },
        snackbarHost = { SnackbarHost(snackbar) },
    ) { padding -> Content(state, actions, padding) }
    if (state.showsCost) LatencySheet(state.cost) { actions.showCost(false) }
    state.explanation?.let { ExplanationSheet(it, actions.explained) }
    state.benchmark?.let { BenchmarkSheet(it, state.history, actions) }
}

@Composable
private fun Content(state: ChatUiState, actions: ChatActions, padding: PaddingValues) =
    when (val status = state.status) {
        Status.Loading -> Middle(padding, stringResource(R.string.loading)) {
            CircularProgressIndicator()
        }
        is Status.Failed -> Middle(padding, status.why) {
            Button(onClick = { actions.open(null) }) { Text(stringResource(R.string.retry)) }
            TextButton(actions.install) { Text(stringResource(R.string.install)) }
            TextButton(actions.restore) { Text(stringResource(R.string.restore)) }
        }
        Status.Ready -> if (state.messages.isEmpty()) {
            Middle(padding, stringResource(R.string.empty)) {
                for (prompt in state.prompts) {
                    SuggestionChip({ actions.ask(prompt) }, { Text(prompt) })
                }
            }
        } else {
            Centered(Modifier.padding(padding)) { Messages(state.messages, actions.explain) }
        }
    }

/** On a wide screen, a column that the eye can follow. */
@Composable
private fun Centered(modifier: Modifier = Modifier, content: @Composable () -> Unit) =
    Box(modifier.fillMaxWidth(), Alignment.TopCenter) {
        Box(Modifier.widthIn(max = 720.dp)) { content() }
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
        val error = notice is Notice.Error
        val duration = if (error) SnackbarDuration.Indefinite else SnackbarDuration.Short
        snackbar.showSnackbar(text, dismiss.takeIf { error }, duration = duration)
        seen()
    }
}

@Composable
private fun Middle(padding: PaddingValues, text: String, content: @Composable () -> Unit = {}) {
    Column(
        Modifier.fillMaxSize().padding(padding).verticalScroll(rememberScrollState())
            .padding(32.dp),
        verticalArrangement = Arrangement.spacedBy(12.dp, Alignment.CenterVertically),
        horizontalAlignment = Alignment.CenterHorizontally,
    ) {
        val spoken = Modifier.semantics { liveRegion = LiveRegionMode.Polite }
        Text(text, spoken, textAlign = TextAlign.Center)
        content()
    }
}

@Preview(showBackground = true)
@Composable
private fun ChatPreview() = DemoTheme {
    val answer = Answer("It is ten past nine.", "time", "time", 0.98f, 20_000, 400_000)
    ChatScreen(
        ChatUiState(
            status = Status.Ready,
            runtimes = listOf("executorch", "tflite"),
            opened = Opened("assistant", "tflite", "LiteRT"),
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
