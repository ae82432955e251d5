package org.pocketbert.demo.ui

import androidx.compose.foundation.ExperimentalFoundationApi
import androidx.compose.foundation.combinedClickable
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.layout.widthIn
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.foundation.lazy.rememberLazyListState
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import org.pocketbert.core.Answer
import org.pocketbert.demo.Message
import org.pocketbert.demo.R

/** The chat, newest at the bottom, where it stays when a keyboard opens. */
@Composable
fun Messages(messages: List<Message>, explain: (String) -> Unit) {
    val list = rememberLazyListState()
    LaunchedEffect(messages.size) { list.animateScrollToItem(0) }
    Spoken(messages.last())
    LazyColumn(
        Modifier.fillMaxSize(),
        state = list,
        reverseLayout = true,
        contentPadding = PaddingValues(16.dp),
        verticalArrangement = Arrangement.spacedBy(12.dp, Alignment.Bottom),
    ) {
        items(messages.asReversed(), key = { it.id }) { message ->
            // What was asked is explained, whichever of the two is pressed.
            val asked = messages.lastOrNull { it.id <= message.id && it.answer == null } ?: message
            Bubble(message) { explain(asked.text) }
        }
    }
}

/** The one region that TalkBack speaks by itself: bubbles come and go with scrolling. */
@Composable
private fun Spoken(last: Message) {
    val answer = last.answer ?: return
    val text = stringResource(R.string.it_said, last.text) + ". " + cost(answer)
    Box(
        Modifier.size(1.dp).semantics {
            liveRegion = LiveRegionMode.Polite
            contentDescription = text
        },
    )
}

@OptIn(ExperimentalFoundationApi::class)
@Composable
private fun Bubble(message: Message, explain: () -> Unit) {
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
            Column(
                Modifier
                    .combinedClickable(
                        onLongClickLabel = stringResource(R.string.explain),
                        onLongClick = explain,
                        onClick = {},
                    )
                    .semantics(mergeDescendants = true) {}
                    .padding(horizontal = 16.dp, vertical = 10.dp),
            ) {
                Text(message.text, Modifier.semantics { contentDescription = spoken })
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
