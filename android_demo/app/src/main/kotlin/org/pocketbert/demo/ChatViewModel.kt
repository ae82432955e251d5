package org.pocketbert.demo

import androidx.lifecycle.ViewModel
import androidx.lifecycle.viewModelScope
import java.io.InputStream
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import org.pocketbert.core.Assistant
import org.pocketbert.core.PocketbertException

/** Turns what the user does into states of the screen. */
class ChatViewModel(private val assistant: Assistant) : ViewModel() {
    private val states = MutableStateFlow(ChatUiState())
    val state: StateFlow<ChatUiState> = states.asStateFlow()

    init {
        open()
    }

    /** Open the bundle, in the runtime of [artifact] where one is named. */
    fun open(artifact: String? = null) {
        states.update { it.copy(status = Status.Loading) }
        attempt(failed = { why -> copy(status = Status.Failed(why)) }) {
            val opened = assistant.open(artifact)
            states.update { it.copy(status = Status.Ready, opened = opened, cost = null) }
        }
    }

    fun ask(text: String) {
        if (text.isBlank() || states.value.answering) return
        states.update { it.copy(answering = true, messages = it.messages.with(text.trim())) }
        attempt(failed = { why -> copy(answering = false, notice = Notice.Error(why)) }) {
            val answer = assistant.answer(text)
            val cost = assistant.cost()
            states.update {
                val message = Message(it.messages.size, answer.reply, answer)
                it.copy(answering = false, messages = it.messages + message, cost = cost)
            }
        }
    }

    fun install(zip: () -> InputStream) {
        states.update { it.copy(status = Status.Loading) }
        attempt(failed = { why ->
            val status = if (opened != null) Status.Ready else Status.Failed(why)
            copy(status = status, notice = Notice.Error(why))
        }) {
            val opened = assistant.install(zip)
            states.update {
                it.copy(
                    status = Status.Ready,
                    opened = opened,
                    cost = null,
                    notice = Notice.Installed(opened.bundle),
                )
            }
        }
    }

    fun showCost(shown: Boolean) = states.update { it.copy(showsCost = shown) }

    fun noticeSeen() = states.update { it.copy(notice = null) }

    override fun onCleared() = assistant.close()

    private fun attempt(failed: ChatUiState.(String) -> ChatUiState, block: suspend () -> Unit) {
        viewModelScope.launch {
            try {
                block()
            } catch (error: PocketbertException) {
                states.update { it.failed(error.message.orEmpty()) }
            }
        }
    }

    private fun List<Message>.with(text: String) = this + Message(size, text)
}
