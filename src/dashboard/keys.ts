/**
 * Which keys the page may take for itself, and whether its user wants that at all.
 *
 * Why a switch: whoever speaks to a computer, or whose hand slips, sets off single keys without meaning to (WCAG 2.1.4). And what
 * has the focus comes first: arrows scroll a box and move a slider, space presses a button. Test: `test/dashboard/keys.test.ts`.
 */

import { isSlidersOwn } from './slider-keys.ts';

/** As `Element.closest`: is the focus in something of this kind? */
export type IsIn = (selector: string) => boolean;

const typing =
  'input:not([type=range], [type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable]';
const slider = 'input[type=range]';
/** What can have the focus without being a button scrolls or moves by these keys. */
const moving = '[tabindex="0"], input[type=radio]';
const pressing = 'button, summary, input[type=checkbox]';

/** May the page take this key, with the focus where it is? */
export function isFree(key: string, isIn: IsIn): boolean {
  if (isIn(typing)) return false;
  if (isIn(slider)) return !isSlidersOwn(key);
  if (key === ' ') return !isIn(moving) && !isIn(pressing);
  return !(key.startsWith('Arrow') && isIn(moving));
}

/** Where the choice is kept. */
export interface Keeping {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

const name = 'berth.keys';

/** Are keys to be taken? Kept where the browser lets the page keep anything: a recorded one may have no such place. */
export class KeySwitch {
  readonly #storage: () => Keeping;
  #isOn: boolean;

  /** @param storage  may throw */
  constructor(storage: () => Keeping) {
    this.#storage = storage;
    this.#isOn = this.#kept() !== 'off';
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  turn(isOn: boolean): void {
    this.#isOn = isOn;
    try {
      this.#storage().setItem(name, isOn ? 'on' : 'off');
    } catch {
      // It holds until the page is closed.
    }
  }

  #kept(): string | null {
    try {
      return this.#storage().getItem(name);
    } catch {
      return null;
    }
  }
}
