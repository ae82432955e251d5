package org.pocketbert.demo

import androidx.lifecycle.SavedStateHandle
import androidx.lifecycle.ViewModel
import androidx.lifecycle.viewModelScope
import java.io.InputStream
import java.util.concurrent.atomic.AtomicReference
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import org.pocketbert.core.Assistant
import org.pocketbert.core.History
import org.pocketbert.core.Opened
import org.pocketbert.core.PocketbertException
import org.pocketbert.core.Rules
import org.pocketbert.core.Stopped

/** Turns what the user does into states of the screen; [saved] outlives the process. */
class ChatViewModel(
    private val assistant: Assistant,
    private val saved: SavedStateHandle,
    private val history: History,
) : ViewModel() {
    private val states = MutableStateFlow(
        ChatUiState(runtimes = assistant.runtimes, messages = saved.messages()),
    )
    val state: StateFlow<ChatUiState> = states.asStateFlow()

    private var whyStopped = AtomicReference<String>() // of the last measurement

    init {
        open()
    }

    /** Open the bundle, in the runtime of [artifact] where one is named. */
    fun open(artifact: String? = null) = opening { assistant.open(artifact) }

    /** Go back to the bundle that came with the app. */
    fun restore() = opening { assistant.restore() }

    fun install(zip: () -> InputStream) = opening {
        assistant.install(zip).also { opened ->
            states.update { it.copy(notice = Notice.Installed(opened.bundle)) }
        }
    }

    fun ask(text: String) {
        if (text.isBlank() || states.value.answering) return
        say(Message(states.value.messages.size, text.trim()))
        states.update { it.copy(answering = true) }
        attempt(failed = { why -> copy(answering = false, notice = Notice.Error(why)) }) {
            val answer = assistant.answer(text)
            val cost = assistant.cost()
            say(Message(states.value.messages.size, answer.reply, answer))
            states.update { it.copy(answering = false, cost = cost) }
        }
    }

    /** How a text of the chat was read, in every runtime. */
    fun explain(text: String) = attempt(failed = { why -> copy(notice = Notice.Error(why)) }) {
        val explanation = assistant.explain(text)
        states.update { it.copy(explanation = explanation) }
    }

    fun explained() = states.update { it.copy(explanation = null) }

    /** Measure every runtime, until [stopMeasuring]. */
    fun measure(rules: Rules = Rules()) {
        if (states.value.benchmark is Benchmark.Running) return
        val why = AtomicReference<String>().also { whyStopped = it }
        states.update { it.copy(benchmark = Benchmark.Running(0f)) }
        attempt(failed = { why -> copy(benchmark = null, notice = Notice.Error(why)) }) {
            try {
                val result = assistant.measure(rules, why::get, ::progressed)
                history.add(result)
                val entries = history.entries()
                states.update { it.copy(benchmark = Benchmark.Done(result), history = entries) }
            } catch (_: Stopped) {
                states.update { it.copy(benchmark = null) }
            }
        }
    }

    /** For when the screen is left, too: what runs in the background is on slower cores. */
    fun stopMeasuring() {
        whyStopped.set("the screen was left")
    }

    fun benchmarkSeen() = states.update { it.copy(benchmark = null) }

    fun showCost(shown: Boolean) = states.update { it.copy(showsCost = shown) }

    /** Tell what failed outside, such as choosing a file. */
    fun tell(why: String) = states.update { it.copy(notice = Notice.Error(why)) }

    fun noticeSeen() = states.update { it.copy(notice = null) }

    private fun progressed(share: Float) {
        val shown = states.value.benchmark as? Benchmark.Running ?: return // closed meanwhile
        // In steps, so that drawing does not disturb what is measured.
        if (share - shown.progress < STEP) return
        states.update { it.copy(benchmark = Benchmark.Running(share)) }
    }

    private fun opening(open: suspend () -> Opened) {
        states.update { it.copy(status = Status.Loading) }
        attempt(failed = { why ->
            // What was open stays so.
            val status = if (opened != null) Status.Ready else Status.Failed(why)
            copy(status = status, notice = Notice.Error(why).takeIf { opened != null })
        }) {
            val opened = open()
            states.update {
                val passedOver = opened.notices.joinToString(" ").ifEmpty { null }
                val notice = passedOver?.let(Notice::Error) ?: it.notice
                it.copy(status = Status.Ready, opened = opened, cost = null, notice = notice)
            }
            val prompts = assistant.prompts() // after the first frame: they are not urgent
            states.update { it.copy(prompts = prompts) }
        }
    }

    private fun say(message: Message) {
        states.update { it.copy(messages = it.messages + message) }
        saved.keep(states.value.messages)
    }

    private fun attempt(failed: ChatUiState.(String) -> ChatUiState, block: suspend () -> Unit) {
        viewModelScope.launch {
            try {
                block()
            } catch (error: PocketbertException) {
                states.update { it.failed(error.message.orEmpty()) }
            }
        }
    }

    private companion object {
        const val STEP = 0.02f
    }
}
