/**
 * The rate limit: a token bucket a tenant. A tenant that sends jobs faster than its rate is told so, before its
 * blobs are looked up and the writer is asked. Asked only for requests whose sender is proven, or a forger could
 * spend a tenant's rate for it.
 *
 * Why besides the queue bound: the bound protects memory, the rate protects the other tenants' share of the
 * one thread that writes. Test: `test/intake/rate.test.ts`.
 */

interface Bucket {
  tokens: number;
  atMs: number;
}

export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param perSecond  requests a second in the long run; twice as many may come at once */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#burst = perSecond * 2;
  }

  /** Takes one token of `tenant`; false when there is none. Names must come from the registry: that bounds the map. */
  admits(tenant: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(tenant) ?? { tokens: this.#burst, atMs: nowMs };
    this.#buckets.set(tenant, bucket);
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((nowMs - bucket.atMs) * this.#perSecond) / 1000);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}
