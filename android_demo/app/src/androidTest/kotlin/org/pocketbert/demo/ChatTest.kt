package org.pocketbert.demo

import android.app.Activity
import android.app.Instrumentation.ActivityResult
import android.content.Intent
import android.content.IntentFilter
import android.net.Uri
import androidx.compose.ui.test.hasSetTextAction
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.junit4.createAndroidComposeRule
import androidx.compose.ui.test.onNodeWithContentDescription
import androidx.compose.ui.test.onNodeWithText
import androidx.compose.ui.test.performClick
import androidx.compose.ui.test.performTextInput
import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import java.io.File
import org.junit.Rule
import org.junit.Test
import org.junit.runner.RunWith

/** The app as it ships, on an emulator or a phone: ask, switch the runtime, refuse a bad ZIP. */
@RunWith(AndroidJUnit4::class)
class ChatTest {
    @get:Rule
    val compose = createAndroidComposeRule<MainActivity>()

    private fun text(id: Int, vararg values: Any) = compose.activity.getString(id, *values)

    private fun waitFor(id: Int, vararg values: Any) =
        waitForText(text(id, *values), substring = true)

    private fun waitForText(text: String, substring: Boolean) = compose.waitUntil(WAIT) {
        compose.onAllNodes(hasText(text, substring)).fetchSemanticsNodes().isNotEmpty()
    }

    private fun choose(text: String) {
        compose.onNodeWithContentDescription(text(R.string.more)).performClick()
        compose.onNodeWithText(text).performClick()
    }

    private fun ask(question: String) {
        compose.onNode(hasSetTextAction()).performTextInput(question)
        compose.onNodeWithText(text(R.string.send)).performClick()
        waitForText(" ms", substring = true)
    }

    @Test
    fun answersAndSwitchesTheRuntime() {
        waitFor(R.string.unsigned, "")
        ask("what time is it")
        choose(text(R.string.runtime, "tflite"))
        waitForText("LiteRT", substring = true)
        ask("wake me at seven")
    }

    @Test
    fun badZipIsRefusedAndTheChatGoesOn() {
        waitFor(R.string.unsigned, "")
        val file = File(compose.activity.cacheDir, "bad.zip").apply { writeText("no ZIP") }
        val chosen = Intent().setData(Uri.fromFile(file))
        val filter = IntentFilter(Intent.ACTION_OPEN_DOCUMENT).apply { addDataType("*/*") }
        val monitor = InstrumentationRegistry.getInstrumentation()
            .addMonitor(filter, ActivityResult(Activity.RESULT_OK, chosen), true)
        choose(text(R.string.install))
        waitForText("manifest.json", substring = true)
        compose.onNodeWithText(text(R.string.dismiss)).performClick()
        ask("what time is it")
        check(monitor.hits == 1)
    }

    private companion object {
        const val WAIT = 30_000L // a slow emulator loads and checks the bundle meanwhile
    }
}
