/** What has the focus keeps its keys, and whoever wants none of the page's turns them off. */
import * as assert from 'uvu/assert';
import { isFree, type Keeping, KeySwitch } from '../../src/dashboard/keys.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard/keys');

/** In an element that matches one of these selectors. */
const within =
  (...parts: readonly string[]) =>
  (selector: string): boolean =>
    parts.some((part) => selector.split(/,\s(?![^(]*\))/).includes(part));
const text = within('input:not([type=range], [type=checkbox], [type=radio], [type=button])');
const slider = within('input[type=range]');
const scrollBox = within('[tabindex="0"]');
const button = within('button');

t('where text is typed no key is taken', () => {
  for (const key of ['n', '?', '1', ' ', 'ArrowLeft']) assert.not.ok(isFree(key, text), key);
});

t('arrows stay with a slider, which wants no space', () => {
  assert.not.ok(isFree('ArrowLeft', slider));
  for (const key of [' ', 'n', '?']) assert.ok(isFree(key, slider), key);
});

t('arrows and space stay with a box that scrolls; letters work there', () => {
  for (const place of [scrollBox, within('button', '[tabindex="0"]')]) {
    for (const key of ['ArrowLeft', 'ArrowRight', ' ']) assert.not.ok(isFree(key, place), key);
    for (const key of ['n', 'l', '?', '3']) assert.ok(isFree(key, place), key);
  }
});

t('space presses a button; with no focus all keys are free', () => {
  assert.not.ok(isFree(' ', button));
  assert.ok(isFree('ArrowRight', button));
  for (const key of ['n', ' ', 'ArrowLeft']) assert.ok(isFree(key, within()), key);
});

t('the switch is remembered', () => {
  const kept = new Map<string, string>();
  const storage = (): Keeping => ({
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
  });
  const first = new KeySwitch(storage);
  assert.ok(first.isOn);
  first.turn(false);
  assert.not.ok(first.isOn);
  assert.not.ok(new KeySwitch(storage).isOn);
  first.turn(true);
  assert.ok(new KeySwitch(storage).isOn);
});

t('where nothing can be kept the switch still works', () => {
  const keys = new KeySwitch(() => {
    throw new Error('SecurityError');
  });
  assert.ok(keys.isOn);
  keys.turn(false);
  assert.not.ok(keys.isOn);
});

t.run();
