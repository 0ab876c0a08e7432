/**
 * The bound of a page in what it weighs, beside the bound in rows.
 *
 * Why both: a thousand rows are nothing, or a quarter of a gigabyte, as their tenants like: a job may carry 256 KiB
 * of arguments. A page is made whole in memory and waits there for its reader, so it ends at about this
 * weight, with `next` where to go on, and with at least one row, so that every page gets somewhere.
 * Test: `test/views/log-view.test.ts`, `test/views/job-list.test.ts`.
 */

/** Characters of JSON after which a page ends. */
export const pageCharsMax = 4 * 1024 * 1024;

/** Characters of a value as JSON. */
export const charsOf = (value: unknown): number => JSON.stringify(value).length;
