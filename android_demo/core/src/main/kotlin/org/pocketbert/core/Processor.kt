package org.pocketbert.core

import java.io.File

/**
 * Features of ARM64 that this processor lacks of those [wanted], by their names in `/proc/cpuinfo`.
 *
 * Empty on other processors, and where the system does not tell. A library that was compiled for
 * them ends the process on a core without: no exception can be caught. So ask before it is loaded.
 */
public fun missingFeatures(
    wanted: Set<String>,
    cpuinfo: File = File("/proc/cpuinfo"),
): Set<String> {
    val cores = try {
        cpuinfo.readLines().filter { it.startsWith("Features") }
    } catch (_: java.io.IOException) {
        return emptySet()
    }
    val each = cores.map { it.substringAfter(':').trim().split(' ').toSet() }
    // "asimd" is in every ARMv8: where it is missing, this is a 32-bit process or another kind.
    if (each.none { "asimd" in it }) return emptySet()
    return wanted.filterTo(LinkedHashSet()) { feature -> each.any { feature !in it } }
}
