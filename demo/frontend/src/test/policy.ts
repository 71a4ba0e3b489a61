/** The one timeout policy of all page tests, in milliseconds. */
export const TEST_TIMEOUT_MS = 15_000;

/** How long an element may take to appear, in milliseconds: well below a test's own limit, so that the message names the element. */
export const FIND_TIMEOUT_MS = 5_000;
