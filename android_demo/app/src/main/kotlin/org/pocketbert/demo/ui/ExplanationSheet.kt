package org.pocketbert.demo.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.ModalBottomSheet
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.text.font.FontFamily
import androidx.compose.ui.unit.dp
import org.pocketbert.core.Explanation
import org.pocketbert.core.Reading
import org.pocketbert.demo.R

/** How a text was read: its pieces, and the nearest intents in every runtime. */
@OptIn(ExperimentalMaterial3Api::class)
@Composable
fun ExplanationSheet(explanation: Explanation, close: () -> Unit) =
    ModalBottomSheet(onDismissRequest = close) {
        val scrolled = Modifier.verticalScroll(rememberScrollState()).padding(24.dp)
        Column(scrolled, verticalArrangement = Arrangement.spacedBy(12.dp)) {
            Text(explanation.text, style = MaterialTheme.typography.titleMedium)
            Text(explanation.pieces.joinToString(" "), fontFamily = FontFamily.Monospace)
            explanation.readings.forEach { ReadingLines(it) }
            explanation.failures.forEach { Text(it, color = MaterialTheme.colorScheme.error) }
        }
    }

@Composable
private fun ReadingLines(reading: Reading) = Column {
    Text(
        stringResource(R.string.reading, reading.engine, reading.inferenceNanos / 1e6),
        style = MaterialTheme.typography.labelLarge,
    )
    for (ranked in reading.top) {
        Line(ranked.label, listOf(stringResource(R.string.percent, ranked.confidence * 100)))
    }
    Text(
        stringResource(R.string.threshold, reading.logit, reading.threshold),
        style = MaterialTheme.typography.labelMedium,
    )
}
