package org.pocketbert.demo

import androidx.lifecycle.SavedStateHandle
import org.pocketbert.core.Answer

private const val KEY = "messages"
private const val SEPARATOR = '\u001f' // "unit separator": no keyboard types it
private const val KEPT = 60 // a Bundle of the system holds some hundred kilobytes, of all screens
private const val LONGEST = 2000

/** The end of the chat as it was before the system ended the process. */
internal fun SavedStateHandle.messages(): List<Message> =
    get<ArrayList<String>>(KEY).orEmpty().mapIndexedNotNull { id, line ->
        val fields = line.split(SEPARATOR)
        when (fields.size) {
            1 -> Message(id, fields[0])
            FIELDS -> Message(id, fields[0], fields.drop(1).answer(fields[0]))
            else -> null // of another version of the app
        }
    }

internal fun SavedStateHandle.keep(messages: List<Message>) {
    set(KEY, ArrayList(messages.takeLast(KEPT).map { it.line() }))
}

private const val FIELDS = 6

private fun Message.line(): String {
    val plain = text.take(LONGEST).replace(SEPARATOR, ' ')
    val fields = answer?.run {
        listOf(intent.orEmpty(), nearest, "$confidence", "$tokenizeNanos", "$inferenceNanos")
    }
    return (listOf(plain) + fields.orEmpty()).joinToString("$SEPARATOR")
}

private fun List<String>.answer(reply: String) = Answer(
    reply = reply,
    intent = this[0].ifEmpty { null },
    nearest = this[1],
    confidence = this[2].toFloatOrNull() ?: 0f,
    tokenizeNanos = this[3].toLongOrNull() ?: 0,
    inferenceNanos = this[4].toLongOrNull() ?: 0,
)
