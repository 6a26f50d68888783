"""`mesh up`: starts the parts of a mesh, watches them, and stops every process of them.

Left empty so that the guard, which lives as long as `mesh up` does, imports nothing but psutil.
"""
