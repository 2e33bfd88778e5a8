/* picture_style.c - the style of a picture, in light and in dark. Kinds of edges differ in colour and in dashes.
 *
 * Every rule is under .vp, so that a page may hold it once for all its pictures. No variables and no nesting: other
 * readers of SVG than browsers know neither.
 *
 * SPDX-License-Identifier: MIT
 */
#include "report/scene.h"

const char sc_svg_style[] =
    "\n"
    ".vp text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1b2430;"
    "white-space:pre}\n"
    ".vp .title{font:600 13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}\n"
    ".vp .small,.vp .label{font-size:11px}.vp .small{fill:#556172}.vp .name,.vp .kind{font-weight:700}\n"
    ".vp .mid,.vp .label{text-anchor:middle}.vp .end{text-anchor:end}\n"
    ".vp .ground{fill:#fff}.vp .band{fill:#f4f6f9}.vp .lane{stroke:#d3dae3;stroke-dasharray:2 4;fill:none}\n"
    ".vp .box{fill:#fff;stroke:#8b98a9;stroke-width:1.3}.vp .lost{stroke:#c0574d;stroke-dasharray:5 3}"
    ".vp .open{stroke-dasharray:2 3}\n"
    ".vp .head{fill:#e6ebf2}.vp .good{fill:#176c37;font-weight:600}.vp .bad{fill:#b3261e;font-weight:600}"
    ".vp .quiet{fill:#556172}\n"
    ".vp .tick,.vp .cross{fill:none;stroke:#176c37;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}"
    ".vp .cross{stroke:#b3261e}\n"
    ".vp .wait{fill:#fdf0d0;stroke:#d9a73a;stroke-width:1}"
    ".vp .pulse{stroke:#b07d10;stroke-width:2;stroke-linecap:round}\n"
    ".vp .engine{fill:#e9edf3}.vp .culprit{fill:#fde4e1;stroke:#b3261e}\n"
    ".vp .line{fill:none;stroke-width:2}.vp .ww{stroke:#8f5600;stroke-dasharray:9 4}.vp .wr{stroke:#0b5cad}\n"
    ".vp .rw{stroke:#b0146a;stroke-dasharray:5 3}.vp .rt{stroke:#5b6675;stroke-dasharray:1.5 4}"
    ".vp .so{stroke:#5b6675;stroke-dasharray:7 3 1.5 3}\n"
    ".vp .point{stroke:none;stroke-dasharray:none}.vp .point.ww,.vp .l-ww{fill:#8f5600}"
    ".vp .point.wr,.vp .l-wr{fill:#0b5cad}\n"
    ".vp .point.rw,.vp .l-rw{fill:#b0146a}.vp .point.rt,.vp .l-rt,.vp .point.so,.vp .l-so{fill:#5b6675}\n"
    ".vp .tag{fill:#fff;stroke-width:1;stroke-dasharray:none}.vp .t-ww{stroke:#d8b98a}.vp .t-wr{stroke:#9cc3ea}"
    ".vp .t-rw{stroke:#e3a3c8}\n"
    ".vp .t-rt,.vp .t-so{stroke:#c4ccd6}.vp .minor .line{stroke-width:1.3;opacity:.75}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".vp text{fill:#e4eaf2}.vp .small,.vp .quiet{fill:#9caabb}.vp .ground{fill:#11161d}.vp .band{fill:#171d26}"
    ".vp .lane{stroke:#343e4c}\n"
    ".vp .box{fill:#1a212b;stroke:#6d7b8e}.vp .lost{stroke:#d9736a}.vp .head{fill:#2a3442}.vp .good{fill:#63d08c}"
    ".vp .bad{fill:#ff8f84}\n"
    ".vp .tick{stroke:#63d08c}.vp .cross{stroke:#ff8f84}.vp .wait{fill:#3a2f12;stroke:#8b6a1e}"
    ".vp .pulse{stroke:#e0b04a}\n"
    ".vp .engine{fill:#242d39}.vp .culprit{fill:#4a1f1f;stroke:#ff8f84}\n"
    ".vp .ww{stroke:#e5a646}.vp .wr{stroke:#6db3f5}.vp .rw{stroke:#ff7dbd}.vp .rt,.vp .so{stroke:#9aa7b8}\n"
    ".vp .point{stroke:none}.vp .point.ww,.vp .l-ww{fill:#e5a646}.vp .point.wr,.vp .l-wr{fill:#6db3f5}"
    ".vp .point.rw,.vp .l-rw{fill:#ff7dbd}\n"
    ".vp .point.rt,.vp .l-rt,.vp .point.so,.vp .l-so{fill:#9aa7b8}\n"
    ".vp .tag{fill:#11161d}.vp .t-ww{stroke:#6b5227}.vp .t-wr{stroke:#2d5379}.vp .t-rw{stroke:#78355a}"
    ".vp .t-rt,.vp .t-so{stroke:#3b4656}}\n";
