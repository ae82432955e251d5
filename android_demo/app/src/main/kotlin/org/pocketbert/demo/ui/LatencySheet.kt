package org.pocketbert.demo.ui

import androidx.compose.foundation.Canvas
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.height
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.ModalBottomSheet
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.geometry.Offset
import androidx.compose.ui.geometry.Size
import androidx.compose.ui.res.pluralStringResource
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextAlign
import androidx.compose.ui.unit.dp
import org.pocketbert.core.Cost
import org.pocketbert.core.Latency
import org.pocketbert.core.histogram
import org.pocketbert.demo.R

/** What answers have cost so far: percentiles of each step, and how the inferences spread. */
@OptIn(ExperimentalMaterial3Api::class)
@Composable
fun LatencySheet(cost: Cost?, close: () -> Unit) = ModalBottomSheet(onDismissRequest = close) {
    val scrolled = Modifier.verticalScroll(rememberScrollState()).padding(24.dp)
    Column(scrolled, verticalArrangement = Arrangement.spacedBy(12.dp)) {
        if (cost == null) {
            Text(stringResource(R.string.latency_none))
        } else {
            val n = cost.steps.answer.n
            Text(
                pluralStringResource(R.plurals.latency_of, n, cost.engine, n),
                style = MaterialTheme.typography.titleMedium,
            )
            Line(stringResource(R.string.step), listOf("p50", "p90", "p99"))
            Percentiles(stringResource(R.string.tokenize), cost.steps.tokenize)
            Percentiles(stringResource(R.string.inference), cost.steps.inference)
            Percentiles(stringResource(R.string.answer), cost.steps.answer)
            Histogram(cost.inferences)
        }
    }
}

@Composable
internal fun Percentiles(step: String, latency: Latency) = Line(
    step,
    listOf(latency.p50, latency.p90, latency.p99).map { stringResource(R.string.milliseconds, it) },
)

@Composable
internal fun Line(name: String, cells: List<String>) =
    Row(Modifier.fillMaxWidth().semantics(mergeDescendants = true) {}) {
        Text(name, Modifier.weight(1f))
        for (cell in cells) Text(cell, Modifier.weight(1f), textAlign = TextAlign.End)
    }

@Composable
private fun Histogram(values: List<Double>) {
    val counts = histogram(values, bins = 12)
    val low = values.min()
    val high = values.max()
    val mode = low + (high - low) * (counts.indexOf(counts.max()) + 0.5) / counts.size
    val spoken = stringResource(R.string.histogram, low, high, mode)
    val color = MaterialTheme.colorScheme.primary
    Canvas(Modifier.fillMaxWidth().height(96.dp).semantics { contentDescription = spoken }) {
        val width = size.width / counts.size
        counts.forEachIndexed { bin, count ->
            val height = size.height * count / counts.max()
            val corner = Offset(bin * width, size.height - height)
            drawRect(color, corner, Size(width * 0.9f, height))
        }
    }
    Row(Modifier.fillMaxWidth(), Arrangement.SpaceBetween) {
        for (end in listOf(low, high)) Text(stringResource(R.string.milliseconds, end))
    }
}
