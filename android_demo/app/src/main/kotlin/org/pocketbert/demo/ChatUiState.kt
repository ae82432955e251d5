package org.pocketbert.demo

import org.pocketbert.core.Answer
import org.pocketbert.core.Cost
import org.pocketbert.core.Opened

/** A line of the chat; [answer] is null where the user wrote it. */
data class Message(val id: Int, val text: String, val answer: Answer? = null)

/** Whether one can chat. */
sealed interface Status {
    data object Loading : Status

    data object Ready : Status

    data class Failed(val why: String) : Status
}

/** All that the screen shows. */
data class ChatUiState(
    val status: Status = Status.Loading,
    val opened: Opened? = null,
    val messages: List<Message> = emptyList(),
    val answering: Boolean = false,
    val cost: Cost? = null,
    val showsCost: Boolean = false,
    val notice: Notice? = null,
)

/** Something to tell once. */
sealed interface Notice {
    data class Error(val why: String) : Notice

    data class Installed(val bundle: String) : Notice
}
