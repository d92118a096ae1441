"""An edition of a closed period as files: for people (DOCX, PDF, XLSX, CSV), for programs (SDMX, DHIS2, JSON).

Pure: it writes what it is handed, which is already what the reader may see.
"""

from services.stats.exporting.files import FILES, File, write

__all__ = ["FILES", "File", "write"]
