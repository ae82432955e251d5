package org.pocketbert.demo.ui

import android.text.format.DateUtils
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.Button
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.ModalBottomSheet
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalContext
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.unit.dp
import org.pocketbert.core.Comparison
import org.pocketbert.core.Entry
import org.pocketbert.demo.Benchmark
import org.pocketbert.demo.R

/** Both runtimes on the bundle's real texts, side by side; closing it stops the measurement. */
@OptIn(ExperimentalMaterial3Api::class)
@Composable
fun BenchmarkSheet(benchmark: Benchmark, history: List<Entry>, actions: ChatActions) =
    ModalBottomSheet(onDismissRequest = actions.benchmarkSeen) {
        val scrolled = Modifier.verticalScroll(rememberScrollState()).padding(24.dp)
        Column(scrolled, verticalArrangement = Arrangement.spacedBy(12.dp)) {
            when (benchmark) {
                is Benchmark.Running -> {
                    Text(stringResource(R.string.measuring))
                    LinearProgressIndicator({ benchmark.progress }, Modifier.fillMaxWidth())
                    OutlinedButton(actions.benchmarkSeen) { Text(stringResource(R.string.stop)) }
                }
                is Benchmark.Done -> {
                    Result(benchmark.result)
                    Button({ actions.share(benchmark.result) }) {
                        Text(stringResource(R.string.share))
                    }
                    Past(history)
                }
            }
        }
    }

@Composable
private fun Result(result: Comparison) {
    Line(stringResource(R.string.inference), listOf("p50", "p90", "p99"))
    for (record in result.records) Percentiles(record.runtime, record.wall.inference)
    result.agreement?.let { Text(stringResource(R.string.agreement, it * 100)) }
    result.records.firstOrNull()?.machine?.remarks.orEmpty().forEach { Text(it) }
    result.failures.forEach { Text(it, color = MaterialTheme.colorScheme.error) }
}

@Composable
private fun Past(entries: List<Entry>) {
    val context = LocalContext.current
    val flags = DateUtils.FORMAT_SHOW_DATE or DateUtils.FORMAT_SHOW_TIME
    Text(stringResource(R.string.history), style = MaterialTheme.typography.titleMedium)
    for (entry in entries) {
        val time = DateUtils.formatDateTime(context, entry.millis, flags)
        Line("$time ${entry.runtime}", listOf(stringResource(R.string.milliseconds, entry.p50)))
    }
}
