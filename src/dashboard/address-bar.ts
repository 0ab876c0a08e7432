/**
 * Writes the address where the user sees it, can copy it, and comes back to it.
 *
 * Why moves through time are written late: browsers let a page write a few hundred addresses a minute and then refuse, and a
 * hand that drags the slider asks for more than that in seconds. Test: `test/dashboard/address-bar.test.ts`.
 */
import { type Address, addressOf, hashOf } from './address.ts';

/** Between two addresses that differ by their seq alone, ms. */
const writeMsMin = 250;

export interface AddressBarParts {
  /** What stands there. */
  readonly hash: () => string;
  readonly write: (how: 'pushState' | 'replaceState', hash: string) => void;
  readonly after: (ms: number, run: () => void) => void;
}

export class AddressBar {
  readonly #parts: AddressBarParts;
  /** Not yet written. */
  #late: Address | null = null;

  constructor(parts: AddressBarParts) {
    this.#parts = parts;
  }

  /** Moving through time is no new place to go back to; another view is. */
  readonly navigate = (address: Address): void => {
    const before = addressOf(this.#parts.hash());
    if (before.view !== address.view || before.job !== address.job) {
      this.#writeLate();
      this.#parts.write('pushState', hashOf(address));
      return;
    }
    if (this.#late === null) this.#parts.after(writeMsMin, this.#writeLate);
    this.#late = address;
  };

  /** The user went elsewhere: what was still to be written is past. */
  arrived(): void {
    this.#late = null;
  }

  readonly #writeLate = (): void => {
    if (this.#late === null) return;
    this.#parts.write('replaceState', hashOf(this.#late));
    this.#late = null;
  };
}
