package org.pocketbert.demo.ui

import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.material3.DropdownMenu
import androidx.compose.material3.DropdownMenuItem
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.HorizontalDivider
import androidx.compose.material3.Icon
import androidx.compose.material3.IconButton
import androidx.compose.material3.LocalTextStyle
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.RadioButton
import androidx.compose.material3.Text
import androidx.compose.material3.TopAppBar
import androidx.compose.material3.TopAppBarDefaults
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalDensity
import androidx.compose.ui.res.painterResource
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.selected
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.TextStyle
import androidx.compose.ui.text.style.TextOverflow
import org.pocketbert.core.Opened
import org.pocketbert.demo.Benchmark
import org.pocketbert.demo.ChatUiState
import org.pocketbert.demo.R
import org.pocketbert.demo.Status

/** What answers, and one menu: two lines and one icon leave room for a large font. */
@OptIn(ExperimentalMaterial3Api::class)
@Composable
fun TopBar(state: ChatUiState, actions: ChatActions) {
    var shown by remember { mutableStateOf(false) }
    TopAppBar(
        expandedHeight = TopAppBarDefaults.TopAppBarExpandedHeight *
            LocalDensity.current.fontScale.coerceAtLeast(1f),
        title = {
            Column {
                OneLine(state.opened?.bundle ?: stringResource(R.string.app_name))
                state.opened?.let { OneLine(engine(it), MaterialTheme.typography.labelMedium) }
            }
        },
        actions = {
            Box {
                IconButton(onClick = { shown = true }) {
                    Icon(painterResource(R.drawable.ic_more), stringResource(R.string.more))
                }
                DropdownMenu(expanded = shown, onDismissRequest = { shown = false }) {
                    Runtimes(state) {
                        shown = false
                        actions.open(it)
                    }
                    HorizontalDivider()
                    Others(state, actions) { shown = false }
                }
            }
        },
    )
}

@Composable
private fun engine(opened: Opened) =
    if (opened.signed) opened.engine else stringResource(R.string.unsigned, opened.engine)

@Composable
private fun Runtimes(state: ChatUiState, open: (String) -> Unit) {
    for (name in state.runtimes) {
        val chosen = name == state.opened?.artifact
        DropdownMenuItem(
            text = { Text(stringResource(R.string.runtime, name)) },
            modifier = Modifier.semantics { selected = chosen },
            leadingIcon = { RadioButton(chosen, null) },
            enabled = !chosen && !state.answering && state.status != Status.Loading,
            onClick = { open(name) },
        )
    }
}

@Composable
private fun Others(state: ChatUiState, actions: ChatActions, close: () -> Unit) {
    val idle = state.status != Status.Loading && state.benchmark !is Benchmark.Running
    val entries = listOf(
        Triple(R.string.latency, true, { actions.showCost(true) }),
        Triple(R.string.measure, idle && state.opened != null, actions.measure),
        Triple(R.string.install, idle, actions.install),
        Triple(R.string.restore, idle, actions.restore),
    )
    for ((text, enabled, action) in entries) {
        DropdownMenuItem(
            text = { Text(stringResource(text)) },
            enabled = enabled,
            onClick = {
                close()
                action()
            },
        )
    }
}

@Composable
private fun OneLine(text: String, style: TextStyle = LocalTextStyle.current) =
    Text(text, style = style, maxLines = 1, overflow = TextOverflow.Ellipsis)
