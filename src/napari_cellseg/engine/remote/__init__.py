"""An engine on another machine: `server` runs there, `bridge` is the window's child process here.

Data flow: window <-> bridge (frames through pipes, as with a child of its own) <-> one authenticated connection <->
server <-> the child that computes, in the person's own scratch folder. Before a job the bridge brings the scratch copy
of the project up to date (`mirror`, `scratch`): only pieces of files whose content is not there yet travel. What a job
makes comes back as files, which the bridge enters into the project, since the project where the window is stays the
only truth.
"""
