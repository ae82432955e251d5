package org.pocketbert.core

/**
 * Artefacts whose runtime ended the process: a crash in native code throws nothing.
 *
 * A note is written before a runtime is called for the first time, and removed when it has
 * answered. One that is found at the next start tells who was at work when the process died.
 */
internal class Attempts(
    private val store: BundleStore,
    private val build: String,
    private val crashed: () -> Boolean,
) {
    /** Look whether an earlier process died; once, before anything is tried. */
    fun settle() {
        val tried = store.readNote(TRYING) ?: return
        // A user may have closed the app while it was loading.
        if (tried.isNotBlank() && crashed()) store.note(DIED, (dead() + tried).joinToString("\n"))
        store.note(TRYING, null)
    }

    /** Whether loading [artifact] ended the process, in this build of the app. */
    fun died(artifact: Artifact): Boolean = key(artifact) in dead()

    fun <T> watch(artifact: Artifact, call: () -> T): T {
        store.note(TRYING, key(artifact))
        try {
            val result = call()
            if (died(artifact)) store.note(DIED, (dead() - key(artifact)).joinToString("\n"))
            return result
        } finally {
            store.note(TRYING, null)
        }
    }

    private fun dead(): Set<String> =
        store.readNote(DIED).orEmpty().split("\n").filter { it.isNotBlank() }.toSet()

    private fun key(artifact: Artifact) = "$build ${artifact.name} ${artifact.sha256}"

    private companion object {
        const val TRYING = "trying"
        const val DIED = "died"
    }
}
