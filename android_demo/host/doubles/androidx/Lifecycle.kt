/* Doubles of androidx.lifecycle for the computer: what ChatViewModel uses of it. */
package androidx.lifecycle

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers

abstract class ViewModel

@Suppress("UnusedReceiverParameter")
val ViewModel.viewModelScope: CoroutineScope
    get() = CoroutineScope(Dispatchers.Unconfined)

/** Takes what a Bundle takes; the host's tests hand in what survived. */
class SavedStateHandle(private val values: MutableMap<String, Any?> = HashMap()) {
    @Suppress("UNCHECKED_CAST")
    operator fun <T> get(key: String): T? = values[key] as T?

    operator fun <T> set(key: String, value: T?) {
        require(value is ArrayList<*> && value.all { it is String }) { "no Bundle takes $value" }
        values[key] = value
    }
}
