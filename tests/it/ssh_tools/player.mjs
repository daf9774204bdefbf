// Plays a recording with asciinema's own player, without a browser: prints what it paints, in a line of JSON.
// Usage: player.mjs FOLDER FILE, where FOLDER has asciinema-player from npm.

import { readFileSync, readdirSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, file] = process.argv.slice(2);
const dist = `${folder}/node_modules/asciinema-player/dist`;
// What draws needs a canvas; what reads and plays does not, and stands in a file of its own.
const core = readdirSync(dist).find((name) => /^core-.*\.js$/.test(name));
const { C: Core } = await import(pathToFileURL(`${dist}/${core}`));

const quiet = () => {};
const logger = { log: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet };
globalThis.performance ??= { now: () => Date.now() };
const player = new Core({ data: readFileSync(file, "utf8") }, { logger, speed: 200, preload: true });
const seen = { painted: "", sizes: [], ended: false };
player.addEventListener("output", (event) => (seen.painted += event.data ?? event));
player.addEventListener("metadata", ({ size }) => size && seen.sizes.push([size.cols, size.rows]));
player.addEventListener("reset", ({ size }) => size && seen.sizes.push([size.cols, size.rows]));
player.addEventListener("error", () => process.exit(1));
const ended = new Promise((done) => player.addEventListener("ended", done));
player.terminalReady();
await player.init();
await player.play();
await Promise.race([ended.then(() => (seen.ended = true)), new Promise((late) => setTimeout(late, 10_000))]);
seen.duration = await player.getDuration();
console.log(JSON.stringify(seen));
process.exit(0);
