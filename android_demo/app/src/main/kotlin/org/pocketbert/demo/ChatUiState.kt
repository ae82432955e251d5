package org.pocketbert.demo

import org.pocketbert.core.Answer
import org.pocketbert.core.Comparison
import org.pocketbert.core.Cost
import org.pocketbert.core.Entry
import org.pocketbert.core.Explanation
import org.pocketbert.core.Opened

/** A line of the chat; [answer] is null where the user wrote it. */
data class Message(val id: Int, val text: String, val answer: Answer? = null)

/** Whether one can chat. */
sealed interface Status {
    data object Loading : Status

    data object Ready : Status

    data class Failed(val why: String) : Status
}

/** The benchmark in the app. */
sealed interface Benchmark {
    data class Running(val progress: Float) : Benchmark

    data class Done(val result: Comparison) : Benchmark
}

/** All that the screen shows. */
data class ChatUiState(
    val status: Status = Status.Loading,
    /** All that the app has, so that another can be chosen where the first fails. */
    val runtimes: List<String> = emptyList(),
    val opened: Opened? = null,
    val prompts: List<String> = emptyList(),
    val messages: List<Message> = emptyList(),
    val answering: Boolean = false,
    val cost: Cost? = null,
    val showsCost: Boolean = false,
    val explanation: Explanation? = null,
    val benchmark: Benchmark? = null,
    val history: List<Entry> = emptyList(),
    val notice: Notice? = null,
)

/** Something to tell once. */
sealed interface Notice {
    data class Error(val why: String) : Notice

    data class Installed(val bundle: String) : Notice
}
