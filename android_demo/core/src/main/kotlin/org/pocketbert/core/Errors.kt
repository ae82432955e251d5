package org.pocketbert.core

/** What a user is told: what is wrong, the value, the limit, the remedy. */
public sealed class PocketbertException(message: String, cause: Throwable? = null) :
    Exception(message, cause)

/** A bundle that is damaged, unsigned, of another schema, or does not answer as it was sealed. */
public class BundleException(message: String, cause: Throwable? = null) :
    PocketbertException(message, cause)

/** A runtime that refuses a file or fails at inference. */
public class RuntimeFailure(message: String, cause: Throwable? = null) :
    PocketbertException(message, cause)

/** Ids that no runtime may see: some end the process on one out of range. */
public class InputException(message: String) : PocketbertException(message)

/** A measurement that must not go on, such as one whose screen is no longer shown. */
public class Stopped(message: String) : PocketbertException(message)
