// Runs pytest on Pyodide, a CPython that is compiled to WebAssembly, under Node:
//     node run.mjs PYODIDE PACKAGES ARGUMENT...
// PYODIDE is the folder of npm's package, PACKAGES the folder with the installed wheels, and the
// arguments are pytest's. It exits as pytest does.

import { dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [pyodideFolder, packages, ...pytestArguments] = process.argv.slice(2);
const project = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const { loadPyodide } = await import(pathToFileURL(resolve(pyodideFolder, "pyodide.mjs")));
const pyodide = await loadPyodide();
pyodide.mountNodeFS("/project", project);
pyodide.mountNodeFS("/packages", resolve(packages));
pyodide.globals.set("pytest_arguments", pyodide.toPy(pytestArguments));
const status = pyodide.runPython(`
import os, sys
os.chdir("/project")
sys.path[:0] = ["/project", "/packages"]
sys.dont_write_bytecode = True
from tests.pyodide import without_threads
import pytest
int(pytest.main(pytest_arguments, plugins=[without_threads]))
`);
process.exit(status);
