package org.pocketbert.demo

import android.content.Context
import android.content.pm.ApplicationInfo
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import org.pocketbert.core.HEAT
import org.pocketbert.core.Machine
import org.pocketbert.core.Probes

private val EMULATORS = setOf("ranchu", "goldfish", "cuttlefish", "cutf_cvm", "vbox86")

/** This phone or emulator; [kind] where adb has told it already, so that there is one opinion. */
fun machine(context: Context, kind: String? = null): Machine {
    val debuggable = context.applicationInfo.flags and ApplicationInfo.FLAG_DEBUGGABLE != 0
    val remarks = listOfNotNull(
        "a debuggable build, slower than what ships".takeIf { debuggable },
        "power saver on".takeIf { power(context).isPowerSaveMode },
    )
    return Machine(
        kind = kind ?: if (isEmulator()) "android-emulator" else "android-device",
        device = "${Build.MANUFACTURER} ${Build.MODEL}",
        system = "Android ${Build.VERSION.RELEASE}",
        buildType = if (debuggable) "debug" else "release",
        soc = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) {
            "${Build.SOC_MANUFACTURER} ${Build.SOC_MODEL}"
        } else {
            Build.HARDWARE
        },
        remarks = remarks,
    )
}

private fun isEmulator() = Build.HARDWARE in EMULATORS ||
    Build.FINGERPRINT.startsWith("generic") || Build.PRODUCT.startsWith("sdk") ||
    "vsoc" in Build.FINGERPRINT || "Emulator" in Build.MODEL || "Genymotion" in Build.MANUFACTURER

/** How a measurement looks around; [fresh] where no runtime was loaded in this process. */
fun probes(context: Context, fresh: Boolean): Probes = Probes(
    heat = {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            HEAT.getOrNull(power(context).currentThermalStatus)
        } else {
            null
        }
    },
    charging = {
        (context.getSystemService(Context.BATTERY_SERVICE) as BatteryManager).isCharging
    },
    fresh = fresh,
)

private fun power(context: Context) =
    context.getSystemService(Context.POWER_SERVICE) as PowerManager
