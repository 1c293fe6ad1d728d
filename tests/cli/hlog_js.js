// hlog_js.js RUN - compares RUN/latency.hlog, as hdr-histogram-js reads it, with RUN/run.json.
"use strict";
const fs = require("fs");
const path = require("path");
const hdr = require("hdr-histogram-js");

const folder = process.argv[2];
const run = JSON.parse(fs.readFileSync(path.join(folder, "run.json"), "utf8"));
const log = fs.readFileSync(path.join(folder, "latency.hlog"), "utf8");
let failed = 0;
let compared = 0;

function check(what, want, got) {
  compared++;
  if (want !== got) {
    failed++;
    console.log(`${what}: run.json says ${want}, hdr-histogram-js ${got}`);
  }
}

const byTag = new Map();
const reader = new hdr.HistogramLogReader(log);
for (let h = reader.nextIntervalHistogram(); h; h = reader.nextIntervalHistogram()) {
  if (byTag.has(h.tag)) {
    byTag.get(h.tag).add(h);
  } else {
    byTag.set(h.tag, h);
  }
}

const recorded = run.phases.filter((phase) => phase.record !== false);
check("recorded phases", recorded.length, byTag.size);
for (const phase of recorded) {
  const h = byTag.get(phase.name);
  if (!h) {
    check(`${phase.name}: tag`, phase.name, undefined);
    continue;
  }
  check(`${phase.name}: count`, phase.latency.count, h.totalCount);
  check(`${phase.name}: max`, h.maxValue, h.highestEquivalentValue(phase.latency.max_ns));
  const quantiles = { p50: 50, p75: 75, p90: 90, p95: 95, p99: 99, p999: 99.9 };
  for (const [name, percent] of Object.entries(quantiles)) {
    // Ours is never over the exact maximum, theirs the top of the bucket: the same bucket.
    const ours = h.highestEquivalentValue(phase.latency[`${name}_ns`]);
    check(`${phase.name}: ${name}`, ours, h.getValueAtPercentile(percent));
  }
}
if (failed || compared < 9) {
  console.log(`${failed} of ${compared} figures differ`);
  process.exit(1);
}
console.log(`hdr-histogram-js agrees with run.json in ${compared} figures`);
