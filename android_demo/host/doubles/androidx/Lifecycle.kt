/* A double of androidx.lifecycle's ViewModel, for the computer: what ChatViewModel uses of it. */
package androidx.lifecycle

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers

abstract class ViewModel {
    protected open fun onCleared() = Unit
}

@Suppress("UnusedReceiverParameter")
val ViewModel.viewModelScope: CoroutineScope
    get() = CoroutineScope(Dispatchers.Unconfined)
